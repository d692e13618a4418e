using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Policyd.Plugins.Dns;
using Policyd.Plugins.Smtp;
using Policyd.Plugins.Sources;

namespace Policyd.Backends.Smtp;

/// <summary>
/// Asks the servers of an address, one after the other, whether one takes mail for it. The next is tried when one cannot be reached, does
/// not speak SMTP or turns us away before we have named the address; what one says of the address holds. A failure is a verdict, never an
/// exception.
/// </summary>
internal sealed class SmtpVerifier(IDnsResolver dns, SmtpVerifierOptions options) : IMailVerifier
{
    private readonly MailExchangers _exchangers = new(dns, options.AllowPrivate);

    /// <summary>Verifies within a time.</summary>
    /// <param name="question">What to ask.</param>
    /// <param name="log">Told of each server what came of it.</param>
    /// <param name="time">What is not decided by then is a temporary failure.</param>
    public async Task<SmtpVerdict> VerifyAsync(SmtpQuestion question, Action<string> log, TimeSpan time)
    {
        using var timeout = new CancellationTokenSource(time);
        var key = options.ChecksOpenPgp
            ? ExistsAsync(question.Recipient.OpenPgpKeyName, DnsRecordType.OpenPgpKey, question.Lookups, timeout.Token)
            : Task.FromResult<bool?>(null);
        var verdict = await AskServersAsync(question, log, time, timeout.Token).ConfigureAwait(false);
        return verdict with { HasOpenPgpKey = await key.ConfigureAwait(false) };
    }

    private async Task<SmtpVerdict> AskServersAsync(SmtpQuestion question, Action<string> log, TimeSpan time, CancellationToken ct)
    {
        var began = Stopwatch.GetTimestamp();
        try
        {
            var (hosts, failure) = await HostsAsync(question, ct).ConfigureAwait(false);
            var last = failure;
            for (var number = 0; number < hosts.Count; number++)
            {
                // One that hangs has half of what is left, so that the next one has its turn.
                using var turn = CancellationTokenSource.CreateLinkedTokenSource(ct);
                var left = time - Stopwatch.GetElapsedTime(began);
                if (number < hosts.Count - 1 && left > TimeSpan.Zero)
                {
                    turn.CancelAfter(left / 2);
                }

                var (verdict, isFinal) = await AskHostAsync(hosts[number], question, log, turn.Token).ConfigureAwait(false);
                if (isFinal || ct.IsCancellationRequested)
                {
                    return verdict;
                }

                // What one server refuses for good another one may take when it is back.
                last = last is { Outcome: SmtpOutcome.Temporary } && verdict.Outcome == SmtpOutcome.Permanent ? last : verdict;
            }

            return last!;
        }
        catch (OperationCanceledException)
        {
            return Unreachable(question.Recipient);
        }
    }

    private async Task<(IReadOnlyList<string> Hosts, SmtpVerdict? Failure)> HostsAsync(SmtpQuestion question, CancellationToken ct) =>
        options.Host is { } host ? ([host], null)
        : question.Recipient.Literal is { } literal ? ([literal.ToString()], null)
        : await _exchangers.FindAsync(question.Recipient.Domain, question.Lookups, ct).ConfigureAwait(false);

    private async Task<(SmtpVerdict Verdict, bool IsFinal)> AskHostAsync(
        string host, SmtpQuestion question, Action<string> log, CancellationToken ct)
    {
        var last = Unreachable(question.Recipient);
        var (addresses, failure, why) = await AddressesAsync(host, question.Lookups, last, ct).ConfigureAwait(false);
        if (failure is not null)
        {
            log($"{host}: {why}");
            return (failure, false);
        }

        foreach (var address in addresses)
        {
            if (ct.IsCancellationRequested)
            {
                break;
            }

            var conversation = new SmtpConversation(question);
            var since = TimeProvider.System.GetTimestamp();
            try
            {
                var move = await SmtpCall.AskAsync(new IPEndPoint(address, options.Port), conversation, ct).ConfigureAwait(false);
                log(string.Create(CultureInfo.InvariantCulture, $"{host} [{address}] answers {move.Decision!.Code} {move.Decision.Text}"));
                last = move.Decision.Verdict with { HasStartTls = conversation.HasStartTls };
                if (!move.IsOfServer)
                {
                    return (await WithTlsaAsync(last, host, question.Lookups, ct).ConfigureAwait(false), true);
                }
            }
            catch (Exception exception) when (exception is SocketException or SmtpException or OperationCanceledException)
            {
                log($"{host} [{address}]: "
                    + $"{(exception is OperationCanceledException ? Waited.TimedOut(TimeProvider.System, since) : exception.Message)}");

                // What it does when it hears an address says nothing of others: who sends the mail must not keep them from being verified.
                last = Unreachable(question.Recipient) with
                {
                    HasStartTls = conversation.HasStartTls,
                    IsUnreachable = exception is OperationCanceledException || !conversation.HasNamedAddresses,
                };
            }
        }

        return (await WithTlsaAsync(last, host, question.Lookups, ct).ConfigureAwait(false), false);
    }

    private async Task<(IReadOnlyList<IPAddress> Addresses, SmtpVerdict? Failure, string? Why)> AddressesAsync(
        string host, DnsBudget lookups, SmtpVerdict unreachable, CancellationToken ct)
    {
        var literal = IPAddress.TryParse(host, out var address) ? address : null;
        try
        {
            if (options.Host is null)
            {
                var (admitted, failure) = literal is null
                    ? await _exchangers.AddressesAsync(host, lookups, ct).ConfigureAwait(false)
                    : _exchangers.Admit(host, [literal]);
                return (admitted, failure, failure?.Message);
            }

            if (literal is not null)
            {
                return ([literal], null, null);
            }

            // The operator's own host may stand in /etc/hosts, which our resolver does not read.
            return (await System.Net.Dns.GetHostAddressesAsync(host, ct).ConfigureAwait(false), null, null);
        }
        catch (Exception exception) when (exception is SocketException or OperationCanceledException)
        {
            return ([], unreachable, exception is SocketException ? exception.Message : "its name was not looked up in time");
        }
    }

    private async Task<SmtpVerdict> WithTlsaAsync(SmtpVerdict verdict, string host, DnsBudget lookups, CancellationToken ct)
    {
        if (!options.ChecksTlsa)
        {
            return verdict;
        }

        var name = IPAddress.TryParse(host, out _) ? null : string.Create(CultureInfo.InvariantCulture, $"_{options.Port}._tcp.{host}");
        return verdict with { HasTlsa = await ExistsAsync(name, DnsRecordType.Tlsa, lookups, ct).ConfigureAwait(false) };
    }

    // A TLSA record counts only when the resolver vouches for it (RFC 6698, section 4.1).
    private async Task<bool?> ExistsAsync(string? name, DnsRecordType type, DnsBudget lookups, CancellationToken ct)
    {
        if (name is null)
        {
            return false;
        }

        try
        {
            var answer = await dns.ResolveAsync(name, type, lookups, ct).ConfigureAwait(false);
            return answer.IsTemporaryFailure
                ? null
                : answer.Status == DnsStatus.Found && (answer.IsAuthenticated || type != DnsRecordType.Tlsa);
        }
        catch (OperationCanceledException)
        {
            return null;
        }
    }

    // Without the server's name: it may be the operator's own, and this is said to strangers.
    private static SmtpVerdict Unreachable(SmtpAddress address) =>
        SmtpVerdict.Temporary($"the mail server of {address.Domain} cannot be reached") with { IsUnreachable = true };
}

/// <summary>Makes the verifiers of this server's plugins.</summary>
internal sealed class SmtpVerifiers : IMailVerifiers
{
    public IMailVerifier Create(IDnsResolver dns, SmtpVerifierOptions options) => new SmtpVerifier(dns, options);
}
