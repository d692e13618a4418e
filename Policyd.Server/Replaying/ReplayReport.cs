// What policyd replay --json prints. The names are for scripts: they may become more, never others.

using System.Text.Json.Serialization;

namespace Policyd.Server.Replaying;

/// <summary>An answer.</summary>
/// <param name="Rule">The plugin that decided; null when none said anything.</param>
/// <param name="Action">The whole action in an example, its first word elsewhere; null when the connection would be closed.</param>
internal sealed record AnswerReport(string? Rule, string? Action)
{
    public static AnswerReport Of(ReplayKind kind) => new(NullIfEmpty(kind.Rule), NullIfEmpty(kind.Action));

    public static AnswerReport Of(ReplayAnswer answer) => new(answer.Plugin, answer.Action);

    private static string? NullIfEmpty(string text) => text.Length == 0 ? null : text;
}

/// <summary>A request that is answered otherwise.</summary>
internal sealed record ExampleReport(
    DateTimeOffset Time, string ProtocolState, string Sender, string Recipient, string ClientAddress, AnswerReport Was, AnswerReport Now);

/// <summary>Requests that are answered otherwise in the same way.</summary>
internal sealed record DifferenceReport(AnswerReport Was, AnswerReport Now, long Requests, IReadOnlyList<ExampleReport> Examples);

/// <summary>How many requests of a sender are answered otherwise.</summary>
internal sealed record SenderReport(string Sender, long Requests);

/// <summary>The whole.</summary>
/// <param name="Requests">How many requests were tried.</param>
/// <param name="Different">How many of them are answered otherwise.</param>
/// <param name="Failed">In how many something failed.</param>
/// <param name="FirstFailure">What failed first.</param>
/// <param name="WithoutVirtualHost">How many were not tried, for want of a virtual host.</param>
/// <param name="UnreadableLines">How many lines could not be read.</param>
/// <param name="FirstUnreadable">The first of them, with what is wrong.</param>
/// <param name="Incomplete">The first packed file that could not be read to its end, and why; null when all of them were.</param>
/// <param name="From">When the first request was answered.</param>
/// <param name="To">When the last was.</param>
/// <param name="Seconds">How long the replay took.</param>
/// <param name="Differences">By rule and kind of action, the most frequent first.</param>
/// <param name="Senders">The senders of most of them.</param>
internal sealed record ReplayReport(
    long Requests,
    long Different,
    long Failed,
    string? FirstFailure,
    long WithoutVirtualHost,
    long UnreadableLines,
    string? FirstUnreadable,
    string? Incomplete,
    DateTimeOffset? From,
    DateTimeOffset? To,
    double Seconds,
    IReadOnlyList<DifferenceReport> Differences,
    IReadOnlyList<SenderReport> Senders)
{
    private const int MostSenders = 20;

    public static ReplayReport Of(ReplayFindings findings, IReadOnlyList<RecordedFile> files, TimeSpan elapsed) => new(
        findings.Requests,
        findings.Different,
        findings.Failed,
        findings.FirstFailure,
        findings.WithoutHost,
        files.Sum(static file => file.Unreadable),
        files.Select(static file => file.FirstError).FirstOrDefault(static error => error is not null),
        files.Select(static file => file.Broken).FirstOrDefault(static broken => broken is not null),
        findings.From,
        findings.To,
        Math.Round(elapsed.TotalSeconds, 3),
        [.. findings.Differences.Select(Of)],
        [.. findings.Senders.Take(MostSenders).Select(static one => new SenderReport(one.Key, one.Value))]);

    private static DifferenceReport Of(ReplayDifference difference) => new(
        AnswerReport.Of(difference.Was), AnswerReport.Of(difference.Now), difference.Requests, [.. difference.Examples.Select(Of)]);

    private static ExampleReport Of(ReplayExample example) => new(
        example.Request.Time,
        example.Request.Request.ProtocolState,
        example.Request.Request.Sender,
        example.Request.Request.Recipient,
        example.Request.Request.ClientAddress,
        AnswerReport.Of(example.Was),
        AnswerReport.Of(example.Now));
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(ReplayReport))]
internal sealed partial class ReplayReports : JsonSerializerContext;
