using System.Net;
using Policyd.Plugins.Dns;
using Policyd.Plugins.Smtp;

namespace Policyd.Backends.Smtp;

/// <summary>Finds the servers of a domain (RFC 5321, section 5.1) and their addresses.</summary>
internal sealed class MailExchangers(IDnsResolver dns, bool allowPrivate)
{
    // A domain's owner may list as many as a message holds: nobody has to try all.
    private const int MostHosts = 5;
    private const int MostAddressesOfHost = 2;

    /// <summary>The servers' names, the one to try first in front; or why there is none.</summary>
    public async Task<(IReadOnlyList<string> Hosts, SmtpVerdict? Failure)> FindAsync(string domain, DnsBudget lookups, CancellationToken ct)
    {
        var answer = await dns.ResolveAsync(domain, DnsRecordType.Mx, lookups, ct).ConfigureAwait(false);
        switch (answer.Status)
        {
            case DnsStatus.Found:
                break;
            case DnsStatus.NoData:
                return ([domain], null);
            case DnsStatus.NoSuchName:
                return ([], SmtpVerdict.Permanent($"the domain {domain} does not exist"));
            default:
                return ([], SmtpVerdict.Temporary($"the mail servers of {domain} cannot be looked up"));
        }

        var exchangers = answer.Records.OfType<MailExchangerRecord>().Where(static exchanger => exchanger.Host.Length > 0)
            .OrderBy(static exchanger => exchanger.Preference)
                .ThenBy(static _ => Random.Shared.Next())
                .Select(static exchanger => exchanger.Host)
                .Take(MostHosts)
                .ToList();
        return exchangers.Count > 0 ? (exchangers, null) : ([], SmtpVerdict.Permanent($"the domain {domain} accepts no mail"));
    }

    /// <summary>A server's addresses; or why there is none that may be dialled.</summary>
    public async Task<(IReadOnlyList<IPAddress> Addresses, SmtpVerdict? Failure)> AddressesAsync(
        string host, DnsBudget lookups, CancellationToken ct)
    {
        var four = dns.ResolveAsync(host, DnsRecordType.A, lookups, ct).AsTask();
        var six = dns.ResolveAsync(host, DnsRecordType.Aaaa, lookups, ct).AsTask();
        var answers = await Task.WhenAll(four, six).ConfigureAwait(false);
        var all = answers.SelectMany(static answer => answer.Records)
            .OfType<AddressRecord>()
            .Select(static record => record.Address)
            .ToList();
        if (all.Count == 0)
        {
            return ([], Array.Exists(answers, static answer => answer.IsTemporaryFailure)
                ? SmtpVerdict.Temporary($"the mail server {host} cannot be looked up")
                : SmtpVerdict.Permanent($"the mail server {host} has no address"));
        }

        return Admit(host, all);
    }

    /// <summary>Those of the addresses that may be dialled.</summary>
    public (IReadOnlyList<IPAddress> Addresses, SmtpVerdict? Failure) Admit(string host, IEnumerable<IPAddress> addresses)
    {
        var admitted = addresses.Where(address => allowPrivate || address.IsPublic()).Take(MostAddressesOfHost).ToList();
        return (admitted, admitted.Count > 0 ? null : SmtpVerdict.Temporary($"the mail server {host} has no public address"));
    }
}
