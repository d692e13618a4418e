using System.Globalization;
using System.Net;
using Policyd.Plugins.Addresses;
using Policyd.Plugins.Dns;

namespace Policyd.Plugins.Spf;

/// <summary>check_host() of RFC 7208, section 4, with all of its limits.</summary>
internal sealed class SpfEvaluator(IDnsResolver dns, SpfSettings settings, TimeProvider clock)
{
    /// <summary>
    /// Checks an identity. Never throws for what is in the DNS. When the token is cancelled the check ends with temperror, as section 4.6.4 has it
    /// for a check that takes too long.
    /// </summary>
    public async ValueTask<SpfOutcome> CheckAsync(SpfRequest request, CancellationToken ct)
    {
        var at = request.Sender.LastIndexOf('@');
        var local = at < 0 ? "" : request.Sender[..at];
        var run = new Run(this, request with { Client = request.Client.Plain() }, local.Length == 0 ? "postmaster" : local, ct);
        SpfOutcome outcome;
        try
        {
            outcome = await run.CheckHostAsync(request.Domain, isTop: true).ConfigureAwait(false);
        }
        catch (SpfErrorException e)
        {
            outcome = new SpfOutcome(e.Verdict, e.Message);
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            outcome = new SpfOutcome(SpfVerdict.TempError, $"the check of {request.Domain} takes too long");
        }

        return outcome with { Reason = SpfText.Printable(outcome.Reason), Explanation = SpfText.Shorten(outcome.Explanation) };
    }

    // One check: its identity and what it has used up of the limits.
    private sealed class Run(SpfEvaluator evaluator, SpfRequest request, string local, CancellationToken ct)
    {
        private readonly IPAddress _client = request.Client;
        private readonly SpfSettings _settings = evaluator._settings;
        private int _terms;
        private int _voids;

        private DnsRecordType AddressType => _client.IsIPv4() ? DnsRecordType.A : DnsRecordType.Aaaa;

        public async ValueTask<SpfOutcome> CheckHostAsync(string domain, bool isTop)
        {
            if (!SpfName.IsDomain(domain))
            {
                return new SpfOutcome(SpfVerdict.None, $"\"{domain}\" is no domain");
            }

            var text = await PolicyAsync(domain).ConfigureAwait(false);
            if (text is null)
            {
                return new SpfOutcome(SpfVerdict.None, $"{domain} has no policy");
            }

            SpfRecord record;
            try
            {
                record = SpfRecord.Parse(text);
            }
            catch (SpfSyntaxException e)
            {
                throw new SpfErrorException(SpfVerdict.PermError, $"the policy of {domain} is wrong: {e.Message}");
            }

            foreach (var directive in record.Directives)
            {
                if (await MatchesAsync(directive, domain).ConfigureAwait(false))
                {
                    var explanation = directive.Verdict == SpfVerdict.Fail && isTop && request.Explain ? await ExplainAsync(record, domain).ConfigureAwait(false) : "";
                    return new SpfOutcome(directive.Verdict, $"{domain}: {directive.Text} matches", explanation);
                }
            }

            return record.Redirect is null
                ? new SpfOutcome(SpfVerdict.Neutral, $"{domain}: nothing matches")
                : await RedirectAsync(record.Redirect, domain, isTop).ConfigureAwait(false);
        }

        private async ValueTask<SpfOutcome> RedirectAsync(SpfMacroString redirect, string domain, bool isTop)
        {
            CountTerm();
            var target = await DomainAsync(redirect, domain).ConfigureAwait(false);
            var outcome = await CheckHostAsync(target, isTop).ConfigureAwait(false);
            return outcome.Verdict == SpfVerdict.None ? throw new SpfErrorException(SpfVerdict.PermError, $"{domain} redirects to {target}, which has no policy") : outcome;
        }

        private async ValueTask<string?> PolicyAsync(string domain)
        {
            var answer = await evaluator._dns.ResolveAsync(domain, DnsRecordType.Txt, ct).ConfigureAwait(false);
            if (answer.IsTemporaryFailure)
            {
                throw new SpfErrorException(SpfVerdict.TempError, $"the policy of {domain} cannot be looked up");
            }

            var policies = answer.Records.OfType<TextRecord>().Select(static record => record.Text).Where(SpfRecord.IsPolicy).ToList();
            return policies.Count > 1 ? throw new SpfErrorException(SpfVerdict.PermError, $"{domain} has {policies.Count} policies") : policies.FirstOrDefault();
        }

        private async ValueTask<bool> MatchesAsync(SpfDirective directive, string domain)
        {
            switch (directive.Mechanism)
            {
                case SpfMechanism.All:
                    return true;
                case SpfMechanism.Ip4 or SpfMechanism.Ip6:
                    return Covers(directive.Network!, _client, directive);
            }

            CountTerm();
            var target = directive.Domain is null ? domain : await DomainAsync(directive.Domain, domain).ConfigureAwait(false);
            switch (directive.Mechanism)
            {
                case SpfMechanism.Include:
                    return await IncludesAsync(target, domain).ConfigureAwait(false);
                case SpfMechanism.A:
                    return (await AddressesAsync(target).ConfigureAwait(false)).Any(address => Covers(address, _client, directive));
                case SpfMechanism.Mx:
                    return await MatchesExchangerAsync(target, directive).ConfigureAwait(false);
                case SpfMechanism.Exists:
                    return (await LookupAsync(target, DnsRecordType.A).ConfigureAwait(false)).Count > 0;
                default:
                    return (await ValidatedNamesAsync(isMechanism: true).ConfigureAwait(false)).Any(name => IsWithin(name, target));
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
            var exchangers = (await LookupAsync(target, DnsRecordType.Mx).ConfigureAwait(false)).OfType<MailExchangerRecord>().ToList();
            if (exchangers.Count > _settings.MaxNamesPerTerm)
            {
                throw new SpfErrorException(SpfVerdict.PermError, $"{target} has more than {_settings.MaxNamesPerTerm} mail exchangers");
            }

            // All are asked at once; what is found counts in their order, and a match waits for no other.
            var hosts = exchangers.OrderBy(static exchanger => exchanger.Preference).Select(static exchanger => exchanger.Host).ToList();
            var asked = AskTogether(hosts);
            for (var index = 0; index < asked.Count; index++)
            {
                if (Found(await asked[index].ConfigureAwait(false), hosts[index]).OfType<AddressRecord>().Any(record => Covers(record.Address, _client, directive)))
                {
                    return true;
                }
            }

            return false;
        }

        private List<Task<DnsAnswer>> AskTogether(List<string> names) =>
            names.ConvertAll(name => evaluator._dns.ResolveAsync(name, AddressType, ct).AsTask());

        private async ValueTask<IEnumerable<IPAddress>> AddressesAsync(string name) =>
            (await LookupAsync(name, AddressType).ConfigureAwait(false)).OfType<AddressRecord>().Select(static record => record.Address);

        /// <summary>The client's names that have the client's address: by PTR, then forward. What cannot be looked up is left out (section 5.5).</summary>
        private async ValueTask<List<string>> ValidatedNamesAsync(bool isMechanism)
        {
            var answer = await evaluator._dns.ResolveAsync(_client.Reversed() + (_client.IsIPv4() ? ".in-addr.arpa" : ".ip6.arpa"), DnsRecordType.ReverseName, ct).ConfigureAwait(false);
            if (isMechanism)
            {
                CountVoid(answer);
            }

            var names = answer.Records.OfType<NameRecord>().Take(_settings.MaxNamesPerTerm).Select(static record => record.Name).ToList();
            var asked = await Task.WhenAll(AskTogether(names)).ConfigureAwait(false);
            return [.. names.Where((_, index) => asked[index].Records.OfType<AddressRecord>().Any(record => record.Address.Equals(_client)))];
        }

        private async ValueTask<IReadOnlyList<DnsRecord>> LookupAsync(string name, DnsRecordType type)
        {
            return Found(await evaluator._dns.ResolveAsync(name, type, ct).ConfigureAwait(false), name);
        }

        private IReadOnlyList<DnsRecord> Found(DnsAnswer answer, string name)
        {
            if (answer.IsTemporaryFailure)
            {
                throw new SpfErrorException(SpfVerdict.TempError, $"{name} cannot be looked up");
            }

            CountVoid(answer);
            return answer.Records;
        }

        private void CountTerm()
        {
            if (++_terms > _settings.MaxDnsTerms)
            {
                throw new SpfErrorException(SpfVerdict.PermError, $"the policy takes more than {_settings.MaxDnsTerms} lookups");
            }
        }

        private void CountVoid(DnsAnswer answer)
        {
            if (answer.Status is DnsStatus.NoData or DnsStatus.NoSuchName && ++_voids > _settings.MaxVoidLookups)
            {
                throw new SpfErrorException(SpfVerdict.PermError, $"the policy has more than {_settings.MaxVoidLookups} lookups that find nothing");
            }
        }

        /// <summary>The domain's own words, or the default ones where it has none that can be used (section 6.2).</summary>
        private async ValueTask<string> ExplainAsync(SpfRecord record, string domain)
        {
            if (record.Explanation is not null)
            {
                var name = await DomainAsync(record.Explanation, domain).ConfigureAwait(false);
                var answer = await evaluator._dns.ResolveAsync(name, DnsRecordType.Txt, ct).ConfigureAwait(false);
                if (answer.Records is [TextRecord only])
                {
                    try
                    {
                        return await SpfMacroString.Parse(only.Text, isExplanation: true).ExpandAsync(letter => ValueAsync(letter, domain)).ConfigureAwait(false);
                    }
                    catch (SpfSyntaxException)
                    {
                        // The mail is refused all the same; only its words are wrong.
                    }
                }
            }

            return await evaluator._default.ExpandAsync(letter => ValueAsync(letter, domain)).ConfigureAwait(false);
        }

        private async ValueTask<string> DomainAsync(SpfMacroString spec, string domain) =>
            SpfName.Fit(await spec.ExpandAsync(letter => ValueAsync(letter, domain)).ConfigureAwait(false));

        private async ValueTask<string> ValueAsync(char letter, string domain) => letter switch
        {
            's' => $"{local}@{request.Domain}",
            'l' => local,
            'o' => request.Domain,
            'd' => domain,
            'i' => _client.IsIPv4() ? _client.ToString() : string.Join('.', Convert.ToHexString(_client.GetAddressBytes()).ToCharArray()),
            'p' => await ClientNameAsync(domain).ConfigureAwait(false),
            'v' => _client.IsIPv4() ? "in-addr" : "ip6",
            'h' => request.Helo,
            'c' => _client.ToString(),
            'r' => _settings.Hostname,
            _ => evaluator._clock.GetUtcNow().ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture),
        };

        private async ValueTask<string> ClientNameAsync(string domain)
        {
            var names = await ValidatedNamesAsync(isMechanism: false).ConfigureAwait(false);
            return names.Find(name => name.Equals(domain, StringComparison.OrdinalIgnoreCase)) ?? names.Find(name => IsWithin(name, domain)) ?? names.FirstOrDefault() ?? "unknown";
        }
    }

    private readonly IDnsResolver _dns = dns;
    private readonly SpfSettings _settings = settings;
    private readonly TimeProvider _clock = clock;
    private readonly SpfMacroString _default = SpfMacroString.Parse(settings.DefaultExplanation, isExplanation: true);

    private static bool IsWithin(string name, string domain) =>
        name.Equals(domain, StringComparison.OrdinalIgnoreCase) || name.EndsWith("." + domain, StringComparison.OrdinalIgnoreCase);

    private static bool Covers(IPAddress network, IPAddress address, SpfDirective directive) =>
        new AddressBlock(network, network.IsIPv4() ? directive.Bits4 : directive.Bits6).Contains(address);

    /// <summary>Ends the check, however deep in includes it is.</summary>
    private sealed class SpfErrorException(SpfVerdict verdict, string message) : Exception(message)
    {
        public SpfVerdict Verdict { get; } = verdict;
    }
}
