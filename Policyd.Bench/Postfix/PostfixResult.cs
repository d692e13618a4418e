using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Policyd.Bench.Databases;

namespace Policyd.Bench.Postfix;

/// <summary>One run behind Postfix.</summary>
/// <param name="Run">cold: the first after the start of the server; warm: the second.</param>
/// <param name="Requests">What Postfix asks for as many mails.</param>
/// <param name="ProcessorMicroseconds">Processor time of the server for each.</param>
/// <param name="Refused">Recipients and mails that Postfix did not take.</param>
/// <param name="Warnings">Of Postfix's, such as an answer that it does not understand or a server that does not answer.</param>
/// <param name="FirstTrouble">The first line of either kind in Postfix's log.</param>
/// <param name="Sums">What the server has counted since its start; null where the configuration names no database.</param>
public sealed record PostfixRunResult(
    string Server,
    string Run,
    long Requests,
    double Seconds,
    double ProcessorMicroseconds,
    int Refused,
    int Warnings,
    string? FirstTrouble,
    SumsResult? Sums)
{
    public double RequestsPerSecond => Requests / Seconds;

    public bool IsWell => Refused == 0 && Warnings == 0 && Sums is null or { IsExact: true };
}

/// <summary>The runs as a Markdown table to paste into a page, or for machines.</summary>
public static class PostfixReport
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        // A file, not a page: signs stay readable.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static string Table(IReadOnlyList<PostfixRunResult> runs)
    {
        ArgumentNullException.ThrowIfNull(runs);
        var text = new StringBuilder("| server | run | requests | requests/s | CPU µs/request | refused | warnings |\n")
            .Append("|---|---|---:|---:|---:|---:|---:|\n");
        foreach (var run in runs)
        {
            text.Append(CultureInfo.InvariantCulture, $"| {run.Server} | {run.Run} | {run.Requests:N0} | {run.RequestsPerSecond:N0} | ")
                .Append(CultureInfo.InvariantCulture, $"{run.ProcessorMicroseconds:N1} | {run.Refused:N0} | {run.Warnings:N0} |\n");
        }

        foreach (var run in runs)
        {
            text.Append(CultureInfo.InvariantCulture, $"\n{run.Server}, {run.Run}: {run.Sums?.ToString() ?? "sums: not counted"}");
            if (run.FirstTrouble is { } trouble)
            {
                text.Append(CultureInfo.InvariantCulture, $"\n{run.Server}, {run.Run}: {trouble}");
            }
        }

        return text.ToString();
    }

    /// <summary>Every run with its options.</summary>
    public static string ToJson(PostfixOptions options, IReadOnlyList<PostfixRunResult> runs) =>
        JsonSerializer.Serialize(
            new { Time = DateTimeOffset.UtcNow, Database = options.Database.ToString().ToLowerInvariant(), Options = options, Runs = runs },
            Json);
}
