using System.Net;
using Policyd.Backends.Expiring;
using Policyd.Plugins.Caches;
using Policyd.Plugins.Dns;
using Policyd.Plugins.Expiring;
using Policyd.Plugins.Fail2Ban;
using Policyd.Plugins.Smtp;
using Policyd.Plugins.Sql;

namespace Policyd.Engine.Replaying;

/// <summary>Tickets, traps and whitelists in memory, wherever the configuration has them: they are those of the replay alone.</summary>
internal sealed class PretendedStores(TimeProvider clock) : IExpiringStores
{
    private readonly ExpiringStores _own = new(clock);
    private readonly Dictionary<object, IExpiringStore> _ofPlace = new(ReferenceEqualityComparer.Instance);

    public IExpiringStore Memory => _own.Memory;

    public string Table => _own.Table;

    public IExpiringStore InDatabase(ISqlDatabase database) => Of(database);

    public IExpiringStore InCache(IValueCache cache) => Of(cache);

    public IExpiringStore InConnection(IExpiringStore store) => Of(store);

    public IAutoWhitelist WhitelistInDatabase(ISqlDatabase database, string table, TimeSpan expiry) =>
        new PretendedWhitelist(clock, expiry);

    public IAutoWhitelist WhitelistInCache(ICountingCache cache, string prefix, TimeSpan expiry) => new PretendedWhitelist(clock, expiry);

    // Plugins that share a place share what is in it.
    private IExpiringStore Of(object place)
    {
        if (!_ofPlace.TryGetValue(place, out var store))
        {
            _ofPlace.Add(place, store = new MemoryExpiringStore(clock));
        }

        return store;
    }
}

/// <summary>Greylisting's auto-whitelist in memory.</summary>
internal sealed class PretendedWhitelist(TimeProvider clock, TimeSpan expiry) : IAutoWhitelist
{
    private readonly MemoryExpiringStore _passed = new(clock);

    public async ValueTask<bool> HasPassedAsync(string domain, string client, int threshold, CancellationToken ct) =>
        await _passed.FindAsync(Key(domain, client), ct).ConfigureAwait(false) is { } count && count >= threshold;

    public async ValueTask CountAsync(string domain, string client, CancellationToken ct)
    {
        var key = Key(domain, client);
        var before = await _passed.FindAsync(key, ct).ConfigureAwait(false) ?? 0;
        await _passed.SetAsync(key, before + 1, expiry, ct).ConfigureAwait(false);
    }

    public ValueTask PurgeAsync(CancellationToken ct) => ValueTask.CompletedTask;

    private static string Key(string domain, string client) => $"{domain}\0{client}";
}

/// <summary>Says that each address is banned, and bans none.</summary>
internal sealed class PretendedFail2Ban : IFail2Ban
{
    public ValueTask<Fail2BanReply> BanAsync(string socket, string jail, IPAddress address, CancellationToken ct) =>
        new(new Fail2BanReply(0, "1"));
}

/// <summary>Calls no mail server: what it would say is not known.</summary>
internal sealed class PretendedVerifiers : IMailVerifiers, IMailVerifier
{
    public IMailVerifier Create(IDnsResolver dns, SmtpVerifierOptions options) => this;

    public Task<SmtpVerdict> VerifyAsync(SmtpQuestion question, Action<string> log, TimeSpan time) =>
        Task.FromResult(SmtpVerdict.Temporary("a replay asks no mail server") with { IsUnreachable = true });
}
