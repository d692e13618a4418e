using System.Net;
using Policyd.Plugins.Addresses;
using Policyd.Plugins.Dns;

namespace Policyd.Modules.Spf;

/// <summary>
/// The lookups of one check, and what they have used up of the limits of RFC 7208, section 4.6.4. A text that cannot be a name is not
/// looked up: it finds nothing, and is no void lookup.
/// </summary>
internal sealed class SpfLookups(IDnsResolver dns, SpfSettings settings, SpfRequest request, CancellationToken ct)
{
    /// <summary>How long all records of a check together may be, in bytes.</summary>
    public const int MostText = 4 * SpfRecord.MostLength;

    // Of the names of one mx or ptr.
    private const int Together = 10;

    private static readonly DnsAnswer s_noName = new(DnsStatus.NoSuchName, []);
    private readonly IPAddress _client = request.Client;
    private ClientNames? _clientNames;
    private int _terms;
    private int _voids;
    private bool _isVoidTerm;
    private int _text;

    private DnsRecordType AddressType => _client.IsIPv4() ? DnsRecordType.A : DnsRecordType.Aaaa;

    /// <summary>Begins a term that causes lookups.</summary>
    public void BeginTerm()
    {
        _isVoidTerm = false;
        if (++_terms > settings.MaxDnsTerms)
        {
            throw new SpfErrorException(SpfVerdict.PermError, $"the policy takes more than {settings.MaxDnsTerms} lookups");
        }
    }

    /// <summary>The policy of a domain; null when there is none.</summary>
    public async ValueTask<string?> PolicyAsync(string domain)
    {
        var answer = await AskAsync(domain, DnsRecordType.Txt).ConfigureAwait(false);
        if (answer.IsTemporaryFailure)
        {
            throw new SpfErrorException(SpfVerdict.TempError, $"the policy of {domain} cannot be looked up");
        }

        string? policy = null;
        foreach (var record in answer.Records)
        {
            if (record is TextRecord { Text: var text } && SpfRecord.IsPolicy(text))
            {
                policy = policy is null ? text : throw new SpfErrorException(SpfVerdict.PermError, $"{domain} has several policies");
            }
        }

        _text += policy?.Length ?? 0;
        return _text > MostText && policy!.Length <= SpfRecord.MostLength
            ? throw new SpfErrorException(
                SpfVerdict.PermError, $"with the policy of {domain}, all policies together are longer than {MostText} bytes")
            : policy;
    }

    /// <summary>The one text of a name; null when there is none, or several.</summary>
    public async ValueTask<string?> TextAsync(string name) =>
        (await AskAsync(name, DnsRecordType.Txt).ConfigureAwait(false)).Records is [TextRecord only]
            && only.Text.Length <= SpfRecord.MostLength ? only.Text : null;

    /// <summary>The records of a name for the present term.</summary>
    public async ValueTask<IReadOnlyList<DnsRecord>> RecordsAsync(string name, DnsRecordType type) =>
        Found(await AskAsync(name, type).ConfigureAwait(false), name);

    /// <summary>The client's kind of addresses of a name.</summary>
    public async ValueTask<IEnumerable<IPAddress>> AddressesAsync(string name) =>
        Addresses(await RecordsAsync(name, AddressType).ConfigureAwait(false));

    /// <summary>
    /// The addresses of a domain's mail exchangers, host by host in their order. The hosts are asked together, and a match waits for no
    /// other.
    /// </summary>
    public async IAsyncEnumerable<IPAddress> ExchangersAsync(string name)
    {
        var exchangers = (await RecordsAsync(name, DnsRecordType.Mx).ConfigureAwait(false)).OfType<MailExchangerRecord>().ToList();
        if (exchangers.Count > settings.MaxNamesPerTerm)
        {
            throw new SpfErrorException(SpfVerdict.PermError, $"{name} has more than {settings.MaxNamesPerTerm} mail exchangers");
        }

        var hosts = exchangers.OrderBy(static exchanger => exchanger.Preference).Select(static exchanger => exchanger.Host).ToList();
        await foreach (var (host, answer) in AddressesOfAsync(hosts).ConfigureAwait(false))
        {
            foreach (var address in Addresses(Found(answer, DnsName.ToBytes(host))))
            {
                yield return address;
            }
        }
    }

    /// <summary>
    /// The client's names that have the client's address: by PTR, then forward. What cannot be looked up is left out (section 5.5). They
    /// are found once a check: records can ask for them a thousand times.
    /// </summary>
    /// <param name="isMechanism">Whether the present term asks for them; a macro's lookups are never void.</param>
    public async ValueTask<IReadOnlyList<string>> ClientNamesAsync(bool isMechanism)
    {
        _clientNames ??= await FindClientNamesAsync().ConfigureAwait(false);
        if (isMechanism && _clientNames.HasVoid)
        {
            CountVoid();
        }

        return _clientNames.Names;
    }

    private async ValueTask<ClientNames> FindClientNamesAsync()
    {
        var answer = await dns.ResolveAsync(_client.Reversed() + (_client.IsIPv4()
            ? ".in-addr.arpa"
            : ".ip6.arpa"), DnsRecordType.ReverseName, request.Lookups, ct).ConfigureAwait(false);
        var hasVoid = IsVoid(answer);
        var found = new List<string>();
        await foreach (var (name, addresses) in AddressesOfAsync([.. answer.Records.OfType<NameRecord>()
            .Take(settings.MaxNamesPerTerm)
            .Select(static record => record.Name)]).ConfigureAwait(false))
        {
            hasVoid |= IsVoid(addresses);
            if (Addresses(addresses.Records).Contains(_client))
            {
                found.Add(name);
            }
        }

        return new ClientNames(found, hasVoid);
    }

    // So many at a time as the RFC lets a term have, whatever the limit is set to.
    private async IAsyncEnumerable<(string Name, DnsAnswer Answer)> AddressesOfAsync(List<string> names)
    {
        var asked = new Task<DnsAnswer>[names.Count];
        var next = 0;
        for (var index = 0; index < asked.Length; index++)
        {
            for (; next < asked.Length && next < index + Together; next++)
            {
                asked[next] = DnsName.TryNormalize(names[next], out var name)
                    ? dns.ResolveAsync(name, AddressType, request.Lookups, ct).AsTask()
                    : Task.FromResult(s_noName);
            }

            yield return (names[index], await asked[index].ConfigureAwait(false));
        }
    }

    private ValueTask<DnsAnswer> AskAsync(string text, DnsRecordType type) =>
        DnsName.TryOfBytes(text, out var name) ? dns.ResolveAsync(name, type, request.Lookups, ct) : new ValueTask<DnsAnswer>(s_noName);

    private IReadOnlyList<DnsRecord> Found(DnsAnswer answer, string name)
    {
        if (answer.IsTemporaryFailure)
        {
            throw new SpfErrorException(SpfVerdict.TempError, $"{name} cannot be looked up");
        }

        if (IsVoid(answer))
        {
            CountVoid();
        }

        return answer.Records;
    }

    // By term: an mx with ten hosts that have no address of the client's kind is one (section 4.6.4).
    private void CountVoid()
    {
        if (!_isVoidTerm && ++_voids > settings.MaxVoidLookups)
        {
            throw new SpfErrorException(
                SpfVerdict.PermError, $"the policy has more than {settings.MaxVoidLookups} terms with lookups that find nothing");
        }

        _isVoidTerm = true;
    }

    private static bool IsVoid(DnsAnswer answer) =>
        answer.Status is DnsStatus.NoData or DnsStatus.NoSuchName && !ReferenceEquals(answer, s_noName);

    private static IEnumerable<IPAddress> Addresses(IReadOnlyList<DnsRecord> records) =>
        records.OfType<AddressRecord>().Select(static record => record.Address);

    private sealed record ClientNames(IReadOnlyList<string> Names, bool HasVoid);
}
