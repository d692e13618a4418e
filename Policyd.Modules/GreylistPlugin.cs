using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Policyd.Modules.Addresses;
using Policyd.Plugins.Addresses;
using Policyd.Plugins.Api;
using Policyd.Plugins.Caches;
using Policyd.Plugins.Expiring;
using Policyd.Plugins.Idna;
using Policyd.Plugins.Services;
using Policyd.Plugins.Sources;
using Policyd.Protocol;

namespace Policyd.Modules;

/// <summary>What passing the greylist does.</summary>
public enum GreylistMode
{
    /// <summary>Only the score is added.</summary>
    Passive,

    /// <summary>The chain ends, and the mail goes on.</summary>
    Accept,

    /// <summary>As <see cref="Accept"/>, by the name of its answer.</summary>
    Dunno,
}

/// <summary>
/// Defers a client's first mail from a sender to a recipient: who comes again after a while, as mail servers do, passes. A client that has
/// passed often enough with mail of a domain is let through at once.
/// </summary>
[Module("Greylist")]
[SharesByName]
[SideEffects("makes, renews and takes tickets", "counts the client in the auto-whitelist")]
[ActsThroughServer]
public sealed class GreylistPlugin : Plugin
{
    // A remembered ticket is valid from the beginning of time, so that a clock that is put back makes nobody wait.
    private const long AlwaysValid = 0;
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(3);
    private SourceLog _log = null!;
    private IExpiringStore _tickets = null!;
    private IAutoWhitelist? _whitelist;
    private TimeProvider _clock = TimeProvider.System;
    private AddressTags _tags = AddressTags.Kept;
    private bool _tellsWait;

    /// <summary>Whether it acts.</summary>
    [Description("off: do nothing")]
    public UserOption<bool> Enabled { get; set; } = new(true);

    /// <summary>The score of passing.</summary>
    [Description("the score to add when the mail passes, once per mail for all Greylist plugins together; usually negative")]
    public double? Score { get; set; }

    /// <summary>What passing does.</summary>
    [Description("what to do when the mail passes: passive (only score), accept or dunno (end the chain, the mail goes on)")]
    public GreylistMode Mode { get; set; }

    /// <summary>What is answered meanwhile.</summary>
    [Description("the action to return while the client has to wait"), Places]
    public ActionTemplate DeferMessage { get; set; } = new("defer greylisting is active");

    /// <summary>Whether the wait is told.</summary>
    [Description("on: the answer to an early retry includes the remaining wait")]
    public bool AppendWaittime { get; set; } = true;

    /// <summary>Whether there is an auto-whitelist.</summary>
    [Description("on: clients that pass are counted in the auto-whitelist")]
    public bool UseAutowl { get; set; } = true;

    /// <summary>How often is enough.</summary>
    [Description("how often a client must pass with mail of a domain before the auto-whitelist lets it through"), Range(1, int.MaxValue)]
    public int AutowlThreshold { get; set; } = 3;

    /// <summary>Whether the auto-whitelist is asked.</summary>
    [Description("on: the auto-whitelist lets clients through")]
    public bool QueryAutowl { get; set; } = true;

    /// <summary>Whether tickets are made.</summary>
    [Description("off: create no tickets; a mail without a ticket goes on")]
    public bool CreateTicket { get; set; } = true;

    /// <summary>How long a pass is remembered.</summary>
    [Description(
        "how long after its last mail a client that has passed need not wait again for the same sender and recipient, such as 35d; 0: it "
            + "waits again with its next mail")]
    public TimeSpan Remember { get; set; }

    /// <summary>The network of an IPv4 client.</summary>
    [Description("how many bits of an IPv4 client address count: 24 treats a /24 network as one client"), Range(1, 32)]
    public int PrefixIpv4 { get; set; } = 32;

    /// <summary>The network of an IPv6 client.</summary>
    [Description("how many bits of an IPv6 client address count"), Range(1, 128)]
    public int PrefixIpv6 { get; set; } = 128;

    /// <summary>What a sender's or recipient's key is without.</summary>
    [Description("the tags to remove from a sender or recipient before it becomes a key: batv, srs, extension")]
    public IReadOnlyList<AddressTag> LeaveOut { get; set; } = [];

    /// <summary>What begins an extension.</summary>
    [Description("the characters that start an extension")]
    public string RecipientDelimiter { get; set; } = "+";

    /// <summary>The tickets.</summary>
    [Description(
        "where tickets are stored, and how long a client waits: module, min_retry_wait, max_retry_wait, prefix, db, memcached, redis")]
    public GreylistTicketOptions Ticket { get; set; } = new();

    /// <summary>The auto-whitelist.</summary>
    [Description("the auto-whitelist: module, autowl_table, autowl_expire_days, db, redis, prefix")]
    public GreylistAwlOptions Awl { get; set; } = new();

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup)
    {
        _clock = setup.Clock;
        _tags = AddressTags.Of(setup, LeaveOut, RecipientDelimiter);
        _log = new SourceLog("greylisting", setup.Clock);

        // A restriction class or a REDIRECT takes no text behind it: with one Postfix would not obey it.
        _tellsWait = AppendWaittime && setup.Grammar.Judge(WithWait(1), out _) == ActionVerdict.Fits;
        _tickets = setup.ExpiringStore(
            "ticket",
            Ticket.Module,
            StoreConnection.Of(Ticket.Module, Ticket.Db, Ticket.Memcached, Ticket.Redis, Ticket.Connection))!;
        if (Ticket.MinRetryWait >= Ticket.MaxRetryWait)
        {
            setup.Error("ticket", "min_retry_wait must be less than max_retry_wait, otherwise no client ever passes");
        }

        if (Remember < TimeSpan.Zero)
        {
            setup.Error("remember", "set a duration, such as 35d, or 0");
        }

        if (!UseAutowl && !QueryAutowl)
        {
            return;
        }

        var expiry = TimeSpan.FromDays(Awl.AutowlExpireDays);
        if (setup.Connections.ContainsKey(Awl.Db) || setup.Section.Has("awl"))
        {
            var connection = StoreConnection.Of(Awl.Module, Awl.Db, null, Awl.Redis, Awl.Connection);
            _whitelist = setup.AutoWhitelist(
                "awl", new AutoWhitelistPlace(Awl.Module, connection, Awl.AutowlTable, Awl.Prefix), expiry);
        }
        else if (UseAutowl && CreateTicket)
        {
            setup.Warning(
                "use_autowl",
                $"there is no SQL connection \"{Awl.Db}\" for the auto-whitelist; without it, clients wait for every "
                    + $"new pair of sender and recipient");
        }
    }

    /// <inheritdoc/>
    public override async ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        var (sender, client, recipient) = (context.Request.Sender, NetworkOf(context.Request.ClientAddress), context.Request.Recipient);
        if (!Enabled.For(context) || client.Length == 0 || recipient.Length == 0)
        {
            return PluginResult.Continue;
        }

        // Another Greylist of the chain may have taken the ticket of this very mail.
        var triplet = Ticket.Prefix + Hash(_tags.Without(sender), client, _tags.Without(recipient));
        var passedKey = $"greylist-passed-{triplet}";
        if (context.Session.Has(passedKey))
        {
            context.Note("ticket", "taken", "this mail has passed before");
            return Passed(context);
        }

        var since = context.Clock.GetTimestamp();
        using var timeout = SourceTime.For(context, s_timeout);
        try
        {
            var result = await JudgeAsync(
                context,
                new Triplet(triplet, passedKey, DomainText.Key(DomainText.DomainOf(sender)), client),
                timeout.Token).ConfigureAwait(false);
            _log.Back(context, this);
            return result;
        }
        catch (Exception e) when (e is System.Data.Common.DbException or CacheException or OperationCanceledException)
        {
            _log.Away(
                context,
                this,
                $"the mail goes on without greylisting: "
                    + $"{(e is OperationCanceledException ? Waited.TimedOut(context.Clock, since) : e.Message)}");
            return PluginResult.Continue;
        }
    }

    /// <inheritdoc/>
    public override async ValueTask CronAsync(CronContext cron)
    {
        if (cron.Has("hourly"))
        {
            await _tickets.PurgeAsync(cron.Cancellation).ConfigureAwait(false);
            if (_whitelist is not null)
            {
                await _whitelist.PurgeAsync(cron.Cancellation).ConfigureAwait(false);
            }
        }
    }

    private static string Hash(string sender, string client, string recipient) =>
        Convert.ToHexStringLower(
            SHA256.HashData(Encoding.UTF8.GetBytes($"{DomainText.AddressKey(sender)}\0{client}\0{DomainText.AddressKey(recipient)}")));

    private async ValueTask<PluginResult> JudgeAsync(PluginContext context, Triplet triplet, CancellationToken ct)
    {
        var counts = _whitelist is not null && triplet.Domain.Length > 0;
        if (counts
            && QueryAutowl
            && await _whitelist!.HasPassedAsync(triplet.Domain, triplet.Client, AutowlThreshold, ct).ConfigureAwait(false))
        {
            context.Note("auto-whitelist", triplet.Client, AutowlThreshold, "has passed often enough");
            return await PassAsync(context, triplet, counts, ct).ConfigureAwait(false);
        }

        var now = _clock.GetUtcNow().ToUnixTimeSeconds();
        if (await _tickets.FindAsync(triplet.Key, ct).ConfigureAwait(false) is not { } validFrom)
        {
            context.Note<string?>("ticket", null, "there is none");
            if (!CreateTicket)
            {
                return PluginResult.Continue;
            }

            if (context.IsRehearsal)
            {
                context.WouldHave("made a ticket");
            }
            else
            {
                await _tickets.AddAsync(triplet.Key, now + (long)Ticket.MinRetryWait.TotalSeconds, Ticket.MaxRetryWait, ct)
                    .ConfigureAwait(false);
            }

            return PluginResult.Answer(DeferMessage.Text);
        }

        if (now < validFrom)
        {
            if (validFrom - now > (long)Ticket.MinRetryWait.TotalSeconds)
            {
                // Written before the clock was put back: its sender would wait until that time comes again.
                validFrom = now + (long)Ticket.MinRetryWait.TotalSeconds;
                if (!context.IsRehearsal)
                {
                    await _tickets.SetAsync(triplet.Key, validFrom, Ticket.MaxRetryWait, ct).ConfigureAwait(false);
                }
            }

            context.Note("ticket", now, validFrom, "too early");

            return PluginResult.Answer(_tellsWait ? WithWait(validFrom - now) : DeferMessage.Text);
        }

        // A ticket that stays is one that has been waited for: the same mail comes again when its connection broke before DATA, and a
        // sender writes to the same recipient again. Each mail of theirs begins its time anew.
        context.Note("ticket", now, validFrom, "waited for");
        if (context.IsRehearsal)
        {
            context.WouldHave(Remember > TimeSpan.Zero ? "renewed the ticket" : "taken the ticket");
        }
        else
        {
            var taken = Remember > TimeSpan.Zero
                ? _tickets.SetAsync(triplet.Key, AlwaysValid, Remember, ct)
                : _tickets.RemoveAsync(triplet.Key, ct);
            await taken.ConfigureAwait(false);
        }

        return await PassAsync(context, triplet, counts, ct).ConfigureAwait(false);
    }

    private async ValueTask<PluginResult> PassAsync(PluginContext context, Triplet triplet, bool counts, CancellationToken ct)
    {
        context.Session.TrySet(triplet.PassedKey);
        if (counts && UseAutowl && context.IsRehearsal)
        {
            context.WouldHave($"counted {triplet.Client} with {triplet.Domain} in the auto-whitelist");
        }
        else if (counts && UseAutowl && !context.IsAlreadyDone("greylist-autowl-add"))
        {
            await _whitelist!.CountAsync(triplet.Domain, triplet.Client, ct).ConfigureAwait(false);
        }

        return Passed(context);
    }

    private PluginResult Passed(PluginContext context)
    {
        // Once for all Greylists of a chain, as mtpolicyd does.
        if (Score is { } score && !context.IsAlreadyDone("greylist-score"))
        {
            context.AddScore(Name, score);
        }

        return Mode == GreylistMode.Passive ? PluginResult.Continue : PluginResult.Answer("dunno");
    }

    private string WithWait(long seconds) => string.Create(CultureInfo.InvariantCulture, $"{DeferMessage.Text} ({seconds}s left)");

    private string NetworkOf(string text) =>
        ClientAddress.Parse(text) is { } address ? address.Network(address.IsIPv4() ? PrefixIpv4 : PrefixIpv6).ToString() : "";

    private sealed record Triplet(string Key, string PassedKey, string Domain, string Client);
}

/// <summary>The options of <c>ticket { }</c>.</summary>
public sealed class GreylistTicketOptions
{
    /// <summary>Where they rest.</summary>
    [Description("Memory; Sql, Memcached, Redis or another connection module: servers can share the tickets, and a restart of policyd "
        + "keeps them")]
    public string Module { get; set; } = "Memory";

    /// <summary>The wait.</summary>
    [Description("how long a client must wait before its retry passes")]
    public TimeSpan MinRetryWait { get; set; } = TimeSpan.FromSeconds(300);

    /// <summary>The life.</summary>
    [Description("a retry later than this counts as a first attempt")]
    public TimeSpan MaxRetryWait { get; set; } = TimeSpan.FromSeconds(7200);

    /// <summary>Before every key.</summary>
    [Description("the prefix of every ticket's key")]
    public string Prefix { get; set; } = "";

    /// <summary>The connection of Sql.</summary>
    [Description("the SQL connection")]
    public string Db { get; set; } = "db";

    /// <summary>The connection of Memcached.</summary>
    [Description("the Memcached connection")]
    public string Memcached { get; set; } = "memcached";

    /// <summary>The connection of Redis.</summary>
    [Description("the Redis connection")]
    public string Redis { get; set; } = "redis";

    /// <summary>The connection of any other module.</summary>
    [Description("the connection of another module; default: the module's name in lower case")]
    public string? Connection { get; set; }
}

/// <summary>The options of <c>awl { }</c>.</summary>
public sealed class GreylistAwlOptions
{
    /// <summary>Where it rests.</summary>
    [Description("Sql, Redis, or another connection module that counts")]
    public string Module { get; set; } = "Sql";

    /// <summary>The table.</summary>
    [Description("the table; a table of mtpolicyd is used unchanged")]
    public string AutowlTable { get; set; } = "autowl";

    /// <summary>The life of an entry.</summary>
    [Description("how many days after the last mail an entry expires"), Range(1, 36500)]
    public int AutowlExpireDays { get; set; } = 60;

    /// <summary>The connection.</summary>
    [Description("the SQL connection")]
    public string Db { get; set; } = "db";

    /// <summary>The connection of Redis.</summary>
    [Description("the Redis connection")]
    public string Redis { get; set; } = "redis";

    /// <summary>The connection of any other module.</summary>
    [Description("the connection of another module; default: the module's name in lower case")]
    public string? Connection { get; set; }

    /// <summary>Before every key in a cache.</summary>
    [Description("the prefix of every key in Redis")]
    public string Prefix { get; set; } = "awl-";
}
