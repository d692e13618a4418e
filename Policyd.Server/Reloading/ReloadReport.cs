using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Policyd.Server.Reloading;

/// <summary>What a reload did, or would do.</summary>
/// <param name="Applied">Whether the server serves the new configuration now.</param>
/// <param name="Errors">Why not, each with its place; empty when nothing is wrong.</param>
/// <param name="Warnings">What is probably not meant, each with its place.</param>
/// <param name="Changes">What differs in the options in effect, see <see cref="OptionDifference"/>.</param>
internal sealed record ReloadReport(
    bool Applied, IReadOnlyList<string> Errors, IReadOnlyList<string> Warnings, IReadOnlyList<string> Changes);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(ReloadReport))]
internal sealed partial class ReloadReports : JsonSerializerContext
{
    public static JsonNode ToNode(ReloadReport report) =>
        JsonSerializer.SerializeToNode(report, Default.ReloadReport)!;
}
