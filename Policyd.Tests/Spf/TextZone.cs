using Policyd.Plugins.Dns;

namespace Policyd.Tests.Spf;

/// <summary>A resolver that knows TXT records by name, and nothing else; <c>away.test</c> cannot be looked up.</summary>
internal sealed class TextZone : Dictionary<string, string>, IDnsResolver
{
    /// <summary>The names that were asked for.</summary>
    public List<string> Asked { get; } = [];

    public ValueTask<DnsAnswer> ResolveAsync(string name, DnsRecordType type, CancellationToken ct)
    {
        Asked.Add(name);
        return new(
            name == "away.test" ? new DnsAnswer(DnsStatus.TimedOut, [])
            : type == DnsRecordType.Txt && TryGetValue(name, out var text) ? new DnsAnswer(DnsStatus.Found, [new TextRecord(text)])
            : new DnsAnswer(DnsStatus.NoSuchName, []));
    }
}
