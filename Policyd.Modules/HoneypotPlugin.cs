using System.ComponentModel;
using Policyd.Configuration.Values;
using Policyd.Plugins.Addresses;
using Policyd.Plugins.Api;
using Policyd.Plugins.Caches;
using Policyd.Plugins.Expiring;
using Policyd.Plugins.Idna;
using Policyd.Plugins.Perl;
using Policyd.Plugins.Services;
using Policyd.Plugins.Sources;

namespace Policyd.Modules;

/// <summary>Whether a trapped client is rejected.</summary>
public enum HoneypotMode
{
    /// <summary>It is.</summary>
    Reject,

    /// <summary>Only the score is added, and the nested chain runs.</summary>
    Passive,
}

/// <summary>Traps clients that send to addresses which nobody has: they, and all that they send for a while, are rejected.</summary>
[Module("Honeypot")]
[SideEffects("traps the client")]
[ActsThroughServer]
public sealed class HoneypotPlugin : Plugin, INestedChain
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(3);
    private IExpiringStore _traps = null!;
    private SourceLog _log = null!;
    private HashSet<string> _recipients = [];
    private string _reject = "";

    /// <summary>Whether it acts.</summary>
    [Description("off: do nothing")]
    public UserOption<bool> Enabled { get; set; } = new(true);

    /// <summary>The score of a trapped client.</summary>
    [Description("the score to add for a trapped client, once per mail")]
    public double? Score { get; set; }

    /// <summary>What being trapped does.</summary>
    [Description("reject; passive: only score and run the nested chain")]
    public HoneypotMode Mode { get; set; }

    /// <summary>The traps.</summary>
    [Description("the trap addresses: a client that sends to one of them is trapped")]
    public IReadOnlyList<string> Recipients { get; set; } = [];

    /// <summary>The traps by expression.</summary>
    [Description("regular expressions for trap addresses")]
    public IReadOnlyList<PerlRegex> RecipientsRe { get; set; } = [];

    /// <summary>The text of a reject.</summary>
    [Description("the text after reject"), Places]
    public string RejectMessage { get; set; } = "trapped by honeypod";

    /// <summary>How long a client stays trapped.</summary>
    [Description("how long a client stays trapped")]
    public TimeSpan Expire { get; set; } = TimeSpan.FromSeconds(7200);

    /// <summary>Where traps rest.</summary>
    [Description("where trapped client addresses are stored: Memory; or Sql, Memcached or Redis, which servers can share; or another "
        + "connection module")]
    public string Store { get; set; } = "Memory";

    /// <summary>The connection of Sql.</summary>
    [Description("the SQL connection of store = Sql")]
    public string Db { get; set; } = "db";

    /// <summary>The connection of Memcached.</summary>
    [Description("the Memcached connection of store = Memcached")]
    public string Memcached { get; set; } = "memcached";

    /// <summary>The connection of Redis.</summary>
    [Description("the Redis connection of store = Redis")]
    public string Redis { get; set; } = "redis";

    /// <summary>The connection of any other store.</summary>
    [Description("the connection of any other store, such as that of a plugin's own; default: the store's name in lower case")]
    public string? Connection { get; set; }

    /// <inheritdoc/>
    public IPluginChain? Plugins { get; set; }

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup)
    {
        _reject = MessageText.ActionOf(setup, "reject_message", "reject", RejectMessage).Text;
        _recipients = [.. Recipients.Select(DomainText.AddressKey)];
        _log = new SourceLog("the store of trapped clients", setup.Clock);
        _traps = setup.ExpiringStore("store", Store, StoreConnection.Of(Store, Db, Memcached, Redis, Connection))!;
        if (Recipients.Count + RecipientsRe.Count == 0)
        {
            setup.Warning("recipients", "there is no trap; set recipients or recipients_re");
        }

        if (RecipientsRe.Any(static regex => regex.Text.Length == 0))
        {
            setup.Warning("recipients_re", "an empty expression makes every address a trap; remove it, or write .* if that is meant");
        }

        if (Expire <= TimeSpan.Zero)
        {
            setup.Warning("expire", "no client stays trapped; set a time longer than 0");
        }
    }

    /// <inheritdoc/>
    public override async ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        var client = context.Request.ClientAddress;
        if (!Enabled.For(context))
        {
            return PluginResult.Continue;
        }

        // All clients whose address Postfix does not know would be trapped with the first of them: of these only the mail itself counts.
        var key = ClientAddress.Parse(client) is { } address ? $"honeypot-{Name}-{address}" : null;
        if (!await IsTrappedAsync(context, key).ConfigureAwait(false))
        {
            return PluginResult.Continue;
        }

        if (Mode == HoneypotMode.Reject)
        {
            return PluginResult.Answer(_reject);
        }

        context.AddScoreOnce(Name, Score);

        return Plugins is null ? PluginResult.Continue : await Plugins.RunAsync(context).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override ValueTask CronAsync(CronContext cron) =>
        cron.Has("hourly") ? _traps.PurgeAsync(cron.Cancellation) : ValueTask.CompletedTask;

    private async ValueTask<bool> IsTrappedAsync(PluginContext context, string? key)
    {
        var recipient = context.Request.Recipient;
        var isTrap = recipient.Length > 0
            && (_recipients.Contains(DomainText.AddressKey(recipient)) || RecipientsRe.Any(one => one.IsMatch(recipient)));
        context.Note("recipient", recipient, isTrap ? "a trap" : "no trap");
        if (key is null)
        {
            return isTrap;
        }

        var since = context.Clock.GetTimestamp();
        using var timeout = SourceTime.For(context, s_timeout);
        try
        {
            if (isTrap && context.IsRehearsal)
            {
                context.WouldHave($"trapped the client for {DurationText.Format(Expire)}");
            }
            else if (isTrap)
            {
                // Each mail to a trap begins the time anew.
                await _traps.SetAsync(key, 1, Expire, timeout.Token).ConfigureAwait(false);
            }

            var isTrapped = isTrap || await _traps.FindAsync(key, timeout.Token).ConfigureAwait(false) is not null;
            _log.Back(context, this);
            context.Note("client_address", context.Request.ClientAddress, isTrapped ? "trapped" : "not trapped");
            return isTrapped;
        }
        catch (Exception e) when (e is System.Data.Common.DbException or CacheException or OperationCanceledException)
        {
            _log.Away(
                context,
                this,
                $"the trapped clients are unknown: "
                    + $"{(e is OperationCanceledException ? Waited.TimedOut(context.Clock, since) : e.Message)}");
            return isTrap;
        }
    }
}
