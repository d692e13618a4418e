using System.Collections.Concurrent;
using Policyd.Plugins.Dns;

namespace Policyd.Plugins.Testing;

/// <summary>Names that are found as a test says; any other does not exist.</summary>
public sealed class FakeDns : IDnsResolver
{
    private readonly ConcurrentDictionary<(string Name, DnsRecordType Type), DnsAnswer> _answers = new();

    /// <summary>Says which records a name has.</summary>
    /// <param name="name">The name; letter case and a dot at its end do not matter.</param>
    /// <param name="type">The kind of record.</param>
    /// <param name="records">The records; none: the name exists without them.</param>
    public void Add(string name, DnsRecordType type, params DnsRecord[] records) =>
        Answer(name, type, new DnsAnswer(records.Length > 0 ? DnsStatus.Found : DnsStatus.NoData, records));

    /// <summary>Says that a question fails.</summary>
    /// <param name="name">The name.</param>
    /// <param name="type">The kind of record.</param>
    /// <param name="status">How, such as <see cref="DnsStatus.TimedOut"/>.</param>
    public void Fail(string name, DnsRecordType type, DnsStatus status = DnsStatus.TimedOut) =>
        Answer(name, type, new DnsAnswer(status, []));

    /// <inheritdoc/>
    public ValueTask<DnsAnswer> ResolveAsync(string name, DnsRecordType type, CancellationToken ct) =>
        new(_answers.TryGetValue((Plain(name), type), out var answer) ? answer : new DnsAnswer(DnsStatus.NoSuchName, []));

    private void Answer(string name, DnsRecordType type, DnsAnswer answer) => _answers[(Plain(name), type)] = answer;

    private static string Plain(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return name.TrimEnd('.').ToUpperInvariant();
    }
}
