using System.Net;
using Policyd.Plugins.Dns;
using Policyd.Tests.Support;
using YamlDotNet.RepresentationModel;

namespace Policyd.Tests.Spf;

/// <summary>The test suite of RFC 7208 (openspf.org), read from the test data that stands beside the repository.</summary>
internal static class SpfSuite
{
    private static readonly Lazy<IReadOnlyList<SpfCase>> s_cases = new(Read);

    /// <summary>All cases; none where the test data is absent.</summary>
    public static IReadOnlyList<SpfCase> Cases => s_cases.Value;

    private static List<SpfCase> Read()
    {
        if (FilesAbove.Find(Path.Combine("shared", "spf", "rfc7208-tests.yml")) is not { } file)
        {
            return [];
        }

        using var reader = new StreamReader(file);
        var yaml = new YamlStream();
        yaml.Load(reader);
        return [.. yaml.Documents.Select(static document => (YamlMappingNode)document.RootNode).SelectMany(static scenario =>
        {
            var zone = new SpfZone((YamlMappingNode)scenario["zonedata"]);
            return ((YamlMappingNode)scenario["tests"]).Select(
                test => Case(Text(scenario["description"])!, Text(test.Key)!, (YamlMappingNode)test.Value, zone));
        })];
    }

    private static SpfCase Case(string scenario, string name, YamlMappingNode test, SpfZone zone) => new(
        scenario,
        name,
        Text(test["helo"])!,
        IPAddress.Parse(Text(test["host"])!),
        Text(test["mailfrom"]) ?? "",
        test["result"] is YamlSequenceNode several ? [.. several.Select(static one => Text(one)!)] : [Text(test["result"])!],
        test.Children.TryGetValue("explanation", out var explanation) ? Text(explanation) : null,
        zone);

    private static string? Text(YamlNode node) => ((YamlScalarNode)node).Value;
}

/// <summary>A case of the suite.</summary>
internal sealed record SpfCase(
    string Scenario,
    string Name,
    string Helo,
    IPAddress Host,
    string MailFrom,
    IReadOnlyList<string> Results,
    string? Explanation,
    SpfZone Zone)
{
    public override string ToString() => $"{Scenario}: {Name}";
}

/// <summary>The zone of a scenario as a resolver. TXT is made of the SPF records where a name has none of its own.</summary>
internal sealed class SpfZone : IDnsResolver
{
    private readonly Dictionary<string, List<(string Type, YamlNode Value)>> _names = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>
    /// The zone as the suite has it: records by name, of a list its texts; <c>TIMEOUT</c> as a type and as a value means no answer.
    /// </summary>
    public IReadOnlyList<(string Name, string Type, IReadOnlyList<string> Values)> Records { get; }

    public SpfZone(YamlMappingNode zone)
    {
        Records = [.. zone.SelectMany(static name => ((YamlSequenceNode)name.Value).Select(record => record is YamlScalarNode scalar
            ? (Text(name.Key), scalar.Value!, (IReadOnlyList<string>)[])
            : (Text(name.Key), Text(((YamlMappingNode)record).First().Key), Texts(((YamlMappingNode)record).First().Value))))];
        foreach (var (name, records) in zone)
        {
            _names[Known(((YamlScalarNode)name).Value!)] = [.. ((YamlSequenceNode)records).Select(
                static record => record is YamlScalarNode scalar
                    ? (scalar.Value!, (YamlNode)scalar)
                    : (((YamlScalarNode)((YamlMappingNode)record).First().Key).Value!, ((YamlMappingNode)record).First().Value))];
        }
    }

    public ValueTask<DnsAnswer> ResolveAsync(string name, DnsRecordType type, CancellationToken ct)
    {
        for (var hops = 0; hops < 10; hops++)
        {
            if (!_names.TryGetValue(name.TrimEnd('.'), out var records) || name.Split('.').Any(static label => label.Length > 63))
            {
                return new ValueTask<DnsAnswer>(new DnsAnswer(DnsStatus.NoSuchName, []));
            }

            var found = Of(records, type).ToList();
            if (found.Count > 0 && found.TrueForAll(static value => value is YamlScalarNode { Value: "TIMEOUT" }))
            {
                return new ValueTask<DnsAnswer>(new DnsAnswer(DnsStatus.TimedOut, []));
            }

            if (found.Count > 0)
            {
                return new ValueTask<DnsAnswer>(new DnsAnswer(DnsStatus.Found, [.. found.Select(value => Record(type, value))]));
            }

            if (records.Find(static record => record.Type == "CNAME") is { Type: not null } alias)
            {
                name = Known(((YamlScalarNode)alias.Value).Value!);
                continue;
            }

            return new ValueTask<DnsAnswer>(
                new DnsAnswer(records.Exists(static record => record.Type == "TIMEOUT") ? DnsStatus.TimedOut : DnsStatus.NoData, []));
        }

        return new ValueTask<DnsAnswer>(new DnsAnswer(DnsStatus.ServerFailure, []));
    }

    // As the resolver's names are.
    private static string Known(string name) => DnsName.TryOfBytes(name, out var normal) ? normal : name;

    private static IEnumerable<YamlNode> Of(List<(string Type, YamlNode Value)> records, DnsRecordType type)
    {
        var wanted = type == DnsRecordType.ReverseName ? "PTR" : type.ToString().ToUpperInvariant();
        if (wanted == "TXT" && !records.Exists(static record => record.Type == "TXT"))
        {
            wanted = "SPF";
        }

        return records.Where(record => record.Type == wanted)
            .Select(static record => record.Value)
            .Where(static value => value is not YamlScalarNode { Value: "NONE" });
    }

    private static DnsRecord Record(DnsRecordType type, YamlNode value) => type switch
    {
        DnsRecordType.A or DnsRecordType.Aaaa => new AddressRecord(IPAddress.Parse(Text(value))),
        DnsRecordType.Mx => new MailExchangerRecord(
            int.Parse(Text(((YamlSequenceNode)value)[0]), System.Globalization.CultureInfo.InvariantCulture),
            Text(((YamlSequenceNode)value)[1])),
        DnsRecordType.ReverseName => new NameRecord(Text(value)),
        _ => new TextRecord(value is YamlSequenceNode strings ? string.Concat(strings.Select(Text)) : Text(value)),
    };

    private static string Text(YamlNode node) => ((YamlScalarNode)node).Value ?? "";

    private static IReadOnlyList<string> Texts(YamlNode node) =>
        node is YamlSequenceNode several ? [.. several.Select(Text)] : [Text(node)];
}
