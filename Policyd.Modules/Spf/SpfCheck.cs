using System.Globalization;
using System.Net;
using Policyd.Plugins.Addresses;
using Policyd.Plugins.Dns;

namespace Policyd.Modules.Spf;

/// <summary>One check of one identity: its records, their mechanisms and macros (RFC 7208, sections 4.6, 5, 6 and 7). Used once.</summary>
internal sealed class SpfCheck(
    SpfLookups lookups,
    SpfSettings settings,
    SpfRequest request,
    SpfMacroString defaultExplanation,
    TimeProvider clock,
    CancellationToken ct)
{
    private const string NoLocalPart = "postmaster";

    private readonly IPAddress _client = request.Client;
    private readonly string _local = request.Sender.LastIndexOf('@') is > 0 and var at ? request.Sender[..at] : NoLocalPart;

    public async ValueTask<SpfOutcome> CheckHostAsync(string domain, bool isTop)
    {
        if (!SpfName.IsDomain(domain))
        {
            return new SpfOutcome(SpfVerdict.None, $"\"{domain}\" is not a domain");
        }

        if (await lookups.PolicyAsync(domain).ConfigureAwait(false) is not { } text)
        {
            return new SpfOutcome(SpfVerdict.None, $"{domain} has no policy");
        }

        var record = Parse(text, domain);
        foreach (var directive in record.Directives)
        {
            ct.ThrowIfCancellationRequested();
            if (await MatchesAsync(directive, domain).ConfigureAwait(false))
            {
                var explanation = directive.Verdict == SpfVerdict.Fail && isTop && request.Explain
                    ? await ExplainAsync(record, domain).ConfigureAwait(false)
                    : "";
                return new SpfOutcome(directive.Verdict, $"{domain}: {directive.Text} matches", explanation);
            }
        }

        return record.Redirect is null
            ? new SpfOutcome(SpfVerdict.Neutral, $"{domain}: nothing matches")
            : await RedirectAsync(record.Redirect, domain, isTop).ConfigureAwait(false);
    }

    private static SpfRecord Parse(string text, string domain)
    {
        try
        {
            return SpfRecord.Parse(text);
        }
        catch (SpfSyntaxException e)
        {
            throw new SpfErrorException(SpfVerdict.PermError, $"the policy of {domain} is invalid: {e.Message}");
        }
    }

    private async ValueTask<SpfOutcome> RedirectAsync(SpfMacroString redirect, string domain, bool isTop)
    {
        lookups.BeginTerm();
        var target = await DomainAsync(redirect, domain).ConfigureAwait(false);
        var outcome = await CheckHostAsync(target, isTop).ConfigureAwait(false);
        return outcome.Verdict == SpfVerdict.None
            ? throw new SpfErrorException(SpfVerdict.PermError, $"{domain} redirects to {target}, which has no policy")
            : outcome;
    }

    private async ValueTask<bool> MatchesAsync(SpfDirective directive, string domain)
    {
        switch (directive.Mechanism)
        {
            case SpfMechanism.All:
                return true;
            case SpfMechanism.Ip4 or SpfMechanism.Ip6:
                return Covers(directive.Network!, directive);
        }

        lookups.BeginTerm();
        var target = directive.Domain is null ? domain : await DomainAsync(directive.Domain, domain).ConfigureAwait(false);
        switch (directive.Mechanism)
        {
            case SpfMechanism.Include:
                return await IncludesAsync(target, domain).ConfigureAwait(false);
            case SpfMechanism.A:
                return (await lookups.AddressesAsync(target).ConfigureAwait(false)).Any(address => Covers(address, directive));
            case SpfMechanism.Mx:
                return await MatchesExchangerAsync(target, directive).ConfigureAwait(false);
            case SpfMechanism.Exists:
                return (await lookups.RecordsAsync(target, DnsRecordType.A).ConfigureAwait(false)).Count > 0;
            default:
                var names = await lookups.ClientNamesAsync(isMechanism: true).ConfigureAwait(false);
                return DnsName.TryOfBytes(target, out var zone) && names.Any(name => IsWithin(name, zone));
        }
    }

    private async ValueTask<bool> IncludesAsync(string target, string domain)
    {
        var outcome = await CheckHostAsync(target, isTop: false).ConfigureAwait(false);
        return outcome.Verdict switch
        {
            SpfVerdict.Pass => true,
            SpfVerdict.None => throw new SpfErrorException(SpfVerdict.PermError, $"{domain} includes {target}, which has no policy"),
            _ => false,
        };
    }

    private async ValueTask<bool> MatchesExchangerAsync(string target, SpfDirective directive)
    {
        await foreach (var address in lookups.ExchangersAsync(target).ConfigureAwait(false))
        {
            if (Covers(address, directive))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The domain's own words, or the default ones where it has none that can be used (section 6.2).</summary>
    private async ValueTask<string> ExplainAsync(SpfRecord record, string domain)
    {
        if (record.Explanation is not null && await lookups.TextAsync(await DomainAsync(record.Explanation, domain).ConfigureAwait(false))
            .ConfigureAwait(false) is { } text)
        {
            try
            {
                return await ExpandAsync(SpfMacroString.Parse(text, isExplanation: true), domain).ConfigureAwait(false);
            }
            catch (SpfSyntaxException)
            {
                // The mail is refused all the same; only its words are wrong.
            }
        }

        return await ExpandAsync(defaultExplanation, domain).ConfigureAwait(false);
    }

    private async ValueTask<string> DomainAsync(SpfMacroString spec, string domain) =>
        SpfName.Fit(await ExpandAsync(spec, domain).ConfigureAwait(false));

    private ValueTask<string> ExpandAsync(SpfMacroString text, string domain) => text.ExpandAsync(letter => ValueAsync(letter, domain), ct);

    private async ValueTask<string> ValueAsync(char letter, string domain) => letter switch
    {
        's' => $"{_local}@{request.Domain}",
        'l' => _local,
        'o' => request.Domain,
        'd' => domain,
        'i' => _client.IsIPv4() ? _client.ToString() : string.Join('.', Convert.ToHexString(_client.GetAddressBytes()).ToCharArray()),
        'p' => await ClientNameAsync(domain).ConfigureAwait(false),
        'v' => _client.IsIPv4() ? "in-addr" : "ip6",
        'h' => request.Helo,
        'c' => _client.ToString(),
        'r' => settings.Hostname,
        _ => clock.GetUtcNow().ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture),
    };

    private async ValueTask<string> ClientNameAsync(string domain)
    {
        var names = await lookups.ClientNamesAsync(isMechanism: false).ConfigureAwait(false);
        var zone = DnsName.TryOfBytes(domain, out var normal) ? normal : domain;
        return names.Count == 0
            ? "unknown"
            : DnsName.ToBytes(names.FirstOrDefault(name => name.Equals(zone, StringComparison.OrdinalIgnoreCase))
                ?? names.FirstOrDefault(name => IsWithin(name, zone))
                ?? names[0]);
    }

    private bool Covers(IPAddress network, SpfDirective directive) =>
        new AddressBlock(network, network.IsIPv4() ? directive.Bits4 : directive.Bits6).Contains(_client);

    private static bool IsWithin(string name, string domain) =>
        name.Equals(domain, StringComparison.OrdinalIgnoreCase) || name.EndsWith("." + domain, StringComparison.OrdinalIgnoreCase);
}
