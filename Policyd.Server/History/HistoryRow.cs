using System.Text.Json;
using Policyd.Backends.SqlDecisions;
using Policyd.Engine.Logging;
using Policyd.Plugins.Addresses;
using Policyd.Protocol;
using Policyd.Server.Admin.Decisions;

namespace Policyd.Server.History;

/// <summary>
/// A decision as a row of the history, and back. The row's object is what <c>policyd trace --json</c> prints, with the plugins, and
/// bounded: whoever sends mail decides how long its values are.
/// </summary>
internal static class HistoryRow
{
    public const int LongestText = 1000;
    public const int LongestRecord = 64 * 1024;

    public static DecisionRow Of(RequestRecord record, string node)
    {
        record.Name();
        var (request, report) = (record.Request, Bounded(TraceReport.Of(record, withPlugins: true) with { Node = node }));
        return new DecisionRow
        {
            Id = record.Id!,
            At = (record.Trail?.Time ?? DateTimeOffset.UtcNow).ToUnixTimeMilliseconds(),
            Node = DecisionKey.Exact(node)!,
            VirtualHost = DecisionKey.Exact(record.VirtualHost),
            Client = DecisionKey.Of(ClientAddress.Parse(request.ClientAddress)),
            User = DecisionKey.AnyCase(NullIfEmpty(request.SaslUsername)),
            Sender = DecisionKey.AnyCase(request["sender"]),
            Recipient = DecisionKey.AnyCase(NullIfEmpty(request.Recipient)),
            QueueId = DecisionKey.Exact(NullIfEmpty(request.QueueId)),
            Rule = DecisionKey.Exact(record.Rule),
            ObservedRule = DecisionKey.Exact(record.WouldWithhold),
            Action = record.Action is { } action ? DecisionKey.AnyCase(ActionGrammar.FirstWord(action).ToString()) : null,
            Record = Json(report),
        };
    }

    /// <summary>The decision of a row.</summary>
    /// <exception cref="JsonException">Somebody else has changed the row.</exception>
    public static TraceReport Read(DecisionRow row) =>
        JsonSerializer.Deserialize(row.Record, TraceReports.Default.TraceReport) ?? throw new JsonException();

    // A mail that passes forty plugins has 10 kB. What is longer has lists or answers of others in it.
    private static string Json(TraceReport report)
    {
        var json = Serialized(report);
        if (json.Length > LongestRecord)
        {
            json = Serialized(report with { Plugins = [.. report.Plugins!.Select(static plugin => plugin with { Facts = [] })] });
        }

        return json.Length > LongestRecord ? Serialized(report with { Plugins = [] }) : json;
    }

    private static string Serialized(TraceReport report) => JsonSerializer.Serialize(report, TraceReports.Default.TraceReport);

    private static TraceReport Bounded(TraceReport report) => report with
    {
        Instance = Cut(report.Instance),
        ProtocolState = Cut(report.ProtocolState),
        QueueId = Cut(report.QueueId),
        ClientAddress = Cut(report.ClientAddress),
        HeloName = Cut(report.HeloName),
        Sender = Cut(report.Sender),
        Recipient = Cut(report.Recipient),
        SaslUsername = Cut(report.SaslUsername),
        Action = Cut(report.Action),
        Observed = Cut(report.Observed),
        Error = Cut(report.Error),
    };

    private static string? Cut(string? text) =>
        text is null || text.Length <= LongestText ? text
        : text[..(char.IsHighSurrogate(text[LongestText - 1]) ? LongestText - 1 : LongestText)] + "…";

    private static string? NullIfEmpty(string text) => text.Length > 0 ? text : null;
}
