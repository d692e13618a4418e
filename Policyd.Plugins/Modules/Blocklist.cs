using System.Net;
using Policyd.Plugins.Api;
using Policyd.Plugins.Dns;

namespace Policyd.Plugins.Modules;

// A list that is asked by DNS (RFC 5782): a name under its domain has an A record when it is listed, and a TXT record that tells why.
internal sealed class Blocklist(IDnsResolver dns, string domain, TimeProvider clock)
{
    private static readonly DnsAnswer s_noTime = new(DnsStatus.TimedOut, []);
    private static readonly ListResult s_notListed = new([], "");
    private static readonly TimeSpan s_betweenWarnings = TimeSpan.FromHours(1);
    private readonly Lock _lock = new();
    private long? _warned;

    public string Domain => domain;

    public static Blocklist? Create(PluginSetup setup, string domain)
    {
        var trimmed = domain.Trim('.');
        if (DnsName.TryNormalize(trimmed, out var normal))
        {
            return new Blocklist(setup.Dns, normal, setup.Clock);
        }

        setup.Error("domain", $"\"{domain}\" is no domain name");
        return null;
    }

    /// <summary>Sends the questions about a name, so that their answers are there when the plugin runs.</summary>
    public void Start(string name) => _ = AskBothAsync(name, null, null).AsTask();

    /// <summary>What the list says of a name; null when it could not be asked, which is logged.</summary>
    public ValueTask<ListResult?> LookUpAsync(string name, PluginContext context, Plugin plugin) => AskBothAsync(name, context, plugin);

    private async ValueTask<ListResult?> AskBothAsync(string name, PluginContext? context, Plugin? plugin)
    {
        var full = name + "." + domain;
        var answer = await AskAsync(full, DnsRecordType.A, context).ConfigureAwait(false);
        if (answer.IsTemporaryFailure)
        {
            context?.Log((PolicyLogLevel)plugin!.LogLevel, plugin, $"{domain} could not be asked: {(answer.Status == DnsStatus.TimedOut ? "no answer" : "server failure")}");
            return null;
        }

        var listed = answer.Records.OfType<AddressRecord>().Where(static record => IsListing(record.Address)).Select(static record => record.Address.ToString()).ToArray();
        if (listed.Length == 0)
        {
            if (answer.Records.Count > 0 && context is not null)
            {
                WarnOfNonsense(answer, context, plugin!);
            }

            return s_notListed;
        }

        var why = await AskAsync(full, DnsRecordType.Txt, context).ConfigureAwait(false);
        return new ListResult(listed, why.Records.OfType<TextRecord>().FirstOrDefault()?.Text ?? "");
    }

    // Lists answer within 127.0.0.0/8. Any other address is that of a domain that has changed hands and would list the whole world;
    // 127.255.255.x is how lists say that they refuse the asking resolver.
    private static bool IsListing(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[4];
        return address.TryWriteBytes(bytes, out _) && bytes[0] == 127 && !(bytes[1] == 255 && bytes[2] == 255);
    }

    // A quarter of the plugin's time stays for what comes after it: a list that is slow must not make the mail's answer late.
    private async ValueTask<DnsAnswer> AskAsync(string name, DnsRecordType type, PluginContext? context)
    {
        var asked = dns.ResolveAsync(name, type, domain, CancellationToken.None);
        if (asked.IsCompleted || context is null)
        {
            return await asked.ConfigureAwait(false);
        }

        try
        {
            return await asked.AsTask().WaitAsync(context.Remaining * 0.75, context.Clock).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            return s_noTime;
        }
    }

    private void WarnOfNonsense(DnsAnswer answer, PluginContext context, Plugin plugin)
    {
        lock (_lock)
        {
            if (_warned is { } before && clock.GetElapsedTime(before) < s_betweenWarnings)
            {
                return;
            }

            _warned = clock.GetTimestamp();
        }

        context.Log(PolicyLogLevel.Warning, plugin, $"{domain} answers {string.Join(", ", answer.Records.OfType<AddressRecord>().Select(static record => record.Address))}, which is no listing: the list refuses this resolver or is gone");
    }
}

/// <summary>What a list said; kept in the session.</summary>
/// <param name="Addresses">The A records; none: not listed.</param>
/// <param name="Info">The TXT record.</param>
internal sealed record ListResult(string[] Addresses, string Info);
