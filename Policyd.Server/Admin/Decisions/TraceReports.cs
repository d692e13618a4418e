// What `policyd trace` shows of a decision, a line each. The names are the JSON's, which scripts read: they may become more, never others.

using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Policyd.Engine.Logging;

namespace Policyd.Server.Admin.Decisions;

/// <summary>One decision, or how many were lost. What a request does not have is absent.</summary>
/// <param name="Lost">How many decisions the reader was too slow for; then there is nothing else.</param>
/// <param name="Id">The decision's name, which the text of an action may show.</param>
/// <param name="Time">When the answer was known.</param>
/// <param name="Node">The server that decided; only of the history, which several write.</param>
/// <param name="VirtualHost">The virtual host.</param>
/// <param name="Instance">Postfix's name for the mail.</param>
/// <param name="ProtocolState">When Postfix asked.</param>
/// <param name="QueueId">Postfix's queue id.</param>
/// <param name="ClientAddress">The client.</param>
/// <param name="HeloName">What the client calls itself.</param>
/// <param name="Sender">The sender.</param>
/// <param name="Recipient">The recipient.</param>
/// <param name="SaslUsername">The user who logged in.</param>
/// <param name="Action">The action; absent when the connection was closed without an answer.</param>
/// <param name="Rule">The plugin whose action it is, or that failed.</param>
/// <param name="Observed">What those that are observed would have answered.</param>
/// <param name="Error">The first failure.</param>
/// <param name="ElapsedMs">Milliseconds.</param>
/// <param name="Plugins">What each plugin did; only when asked for.</param>
internal sealed record TraceReport(
    long? Lost = null,
    string? Id = null,
    DateTimeOffset? Time = null,
    string? Node = null,
    string? VirtualHost = null,
    string? Instance = null,
    string? ProtocolState = null,
    string? QueueId = null,
    string? ClientAddress = null,
    string? HeloName = null,
    string? Sender = null,
    string? Recipient = null,
    string? SaslUsername = null,
    string? Action = null,
    string? Rule = null,
    string? Observed = null,
    string? Error = null,
    double? ElapsedMs = null,
    IReadOnlyList<PluginReport>? Plugins = null)
{
    public static TraceReport Of(RequestRecord record, bool withPlugins)
    {
        var request = record.Request;
        return new TraceReport(
            Id: record.Id,
            Time: record.Trail?.Time.ToLocalTime(),
            VirtualHost: record.VirtualHost,
            Instance: Given(request.Instance),
            ProtocolState: Given(request.ProtocolState),
            QueueId: Given(request.QueueId),
            ClientAddress: Given(request.ClientAddress),
            HeloName: Given(request.HeloName),
            Sender: request["sender"],
            Recipient: Given(request.Recipient),
            SaslUsername: Given(request.SaslUsername),
            Action: record.Action,
            Rule: record.Rule,
            Observed: record.Observed,
            Error: record.Failure,
            ElapsedMs: Math.Round(record.Elapsed.TotalMilliseconds, 3),
            Plugins: withPlugins ? PluginReport.Of(record.Steps) : null);
    }

    private static string? Given(string value) => value.Length > 0 ? value : null;
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(TraceReport))]
internal sealed partial class TraceReports : JsonSerializerContext
{
    public static JsonNode ToNode(TraceReport report) => JsonSerializer.SerializeToNode(report, Default.TraceReport)!;
}
