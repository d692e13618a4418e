using System.Net;
using Policyd.Plugins.Dns;

namespace Policyd.Tests.Spf;

/// <summary>
/// A resolver that knows TXT records by name, and PTR records; their names have one address, 192.0.2.7. <c>away.test</c> cannot be looked
/// up.
/// </summary>
internal sealed class TextZone : Dictionary<string, string>, IDnsResolver
{
    /// <summary>The names that were asked for.</summary>
    public List<string> Asked { get; } = [];

    /// <summary>PTR records by name.</summary>
    public Dictionary<string, string[]> Names { get; } = [];

    /// <summary>Told of each name before it is answered.</summary>
    public Action<string>? OnAsk { get; set; }

    public ValueTask<DnsAnswer> ResolveAsync(string name, DnsRecordType type, CancellationToken ct)
    {
        Asked.Add(name);
        OnAsk?.Invoke(name);
        return new(
            name == "away.test" ? new DnsAnswer(DnsStatus.TimedOut, [])
            : type == DnsRecordType.Txt && TryGetValue(name, out var text) ? new DnsAnswer(DnsStatus.Found, [new TextRecord(text)])
            : type == DnsRecordType.ReverseName && Names.TryGetValue(name, out var names)
                ? new DnsAnswer(DnsStatus.Found, [.. names.Select(static one => new NameRecord(one))])
                : type == DnsRecordType.A && Names.Values.Any(names => names.Contains(name))
                    ? new DnsAnswer(DnsStatus.Found, [new AddressRecord(IPAddress.Parse("192.0.2.7"))])
                    : new DnsAnswer(DnsStatus.NoSuchName, []));
    }
}
