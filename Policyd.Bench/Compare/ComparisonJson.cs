using System.Runtime.InteropServices;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Policyd.Bench.Compare;

/// <summary>A comparison for machines: every value of every window, and what they amount to.</summary>
public static class ComparisonJson
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        // A file, not a page: "µs" and "/" stay readable.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static string Show(string label, ComparisonResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        return JsonSerializer.Serialize(
            new
            {
                Label = label,
                Time = DateTimeOffset.UtcNow,
                Machine = new
                {
                    Processors = Environment.ProcessorCount,
                    System = RuntimeInformation.OSDescription,
                    Runtime = RuntimeInformation.FrameworkDescription,
                    result.Environment,
                },
                Options = OptionsOf(result.Options),
                Servers = result.Servers.Select(server => new { server.Name, Command = string.Join(' ', server.Command) }),
                result.Warmups,
                Figures = result.Figures.All.Select(figure => new
                {
                    Stage = figure.Stage.ToString().ToLowerInvariant(),
                    figure.Name,
                    Servers = Named(result.Servers.Select(server => (server.Name, result.Figures.Values(figure, server.Name)))),
                    Ratios = Named(result.Pairs.Select(pair => (pair.ToString(), result.Figures.Ratios(figure, pair)))),
                }),
                Sums = result.Sums.Select(sums => new { sums.Server, sums.Result.Tables, sums.Result.Least, sums.Result.Most }),
                result.Problems,
            },
            Json);
    }

    private static object OptionsOf(CompareOptions options) => new
    {
        Stages = options.Stages.ToString().ToLowerInvariant(),
        options.Load.Connections,
        options.Load.Keys,
        options.Load.RecipientsPerInstance,
        options.Rounds,
        Seconds = options.Window.TotalSeconds,
        WarmupSeconds = options.LeadIn.TotalSeconds,
        SlowSeconds = options.SlowWindow.TotalSeconds,
        IdleSeconds = options.IdleTime.TotalSeconds,
        options.Starts,
        StartSeconds = options.StartTime.TotalSeconds,
        Database = options.Database.ToString().ToLowerInvariant(),
        options.ManyKeys,
        options.Owners,
    };

    private static Dictionary<string, object> Named(IEnumerable<(string Name, IReadOnlyList<double> Values)> all) =>
        all.Where(one => one.Values.Count > 0)
            .ToDictionary(one => one.Name, one => (object)new { Summary = Spread.Of(one.Values), one.Values });
}
