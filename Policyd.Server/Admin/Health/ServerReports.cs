// What `policyd status` answers. The names are the JSON's, which scripts read: they may become more, never others.

using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Policyd.Server.Admin.Health;

/// <summary>A database that takes no counts.</summary>
/// <param name="Connection">Its connection.</param>
/// <param name="Mails">The mails that wait for it.</param>
/// <param name="InSpool">How many of them are on the disk.</param>
/// <param name="Reason">What is the matter.</param>
internal sealed record AwayDatabase(string Connection, long Mails, long InSpool, string Reason);

/// <summary>A database that stores no decisions.</summary>
/// <param name="Connection">Its connection.</param>
/// <param name="Dropped">How many decisions were dropped since the start.</param>
/// <param name="Reason">What is the matter.</param>
internal sealed record AwayHistory(string Connection, long Dropped, string Reason);

/// <summary>How a server is.</summary>
/// <param name="State">serving, degraded (it answers mail, but something that it needs is away) or stopping.</param>
/// <param name="Ready">Whether it is to be sent mail: it listens, does not stop and, in a cluster, is a member.</param>
/// <param name="Version">The version of the program.</param>
/// <param name="Started">When the process was started.</param>
/// <param name="Configuration">The file that it serves by.</param>
/// <param name="Reloaded">When that was last read anew; null: never.</param>
/// <param name="VirtualHosts">The names of the virtual hosts.</param>
/// <param name="Listen">The addresses on which it listens.</param>
/// <param name="Connections">Open connections.</param>
/// <param name="ConnectionsRefused">Connections refused since the start, for max_connections.</param>
/// <param name="Requests">Requests since the start.</param>
/// <param name="InFlight">Requests without an answer yet.</param>
/// <param name="Away">Databases that take no counts.</param>
/// <param name="History">The database of the history, when it stores no decisions.</param>
/// <param name="Cluster">What the node is in its cluster; null for a server that is alone.</param>
internal sealed record ServerReport(
    string State,
    bool Ready,
    string Version,
    DateTimeOffset Started,
    string Configuration,
    DateTimeOffset? Reloaded,
    IReadOnlyList<string> VirtualHosts,
    IReadOnlyList<string> Listen,
    int Connections,
    long ConnectionsRefused,
    long Requests,
    long InFlight,
    IReadOnlyList<AwayDatabase> Away,
    AwayHistory? History,
    string? Cluster);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ServerReport))]
internal sealed partial class ServerReports : JsonSerializerContext
{
    public static JsonNode ToNode(ServerReport report) => JsonSerializer.SerializeToNode(report, Default.ServerReport)!;
}
