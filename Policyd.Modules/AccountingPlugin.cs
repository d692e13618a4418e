using System.ComponentModel;
using System.Globalization;
using System.Runtime.CompilerServices;
using Policyd.Modules.Addresses;
using Policyd.Plugins.Api;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Logging;
using Policyd.Plugins.Sources;

namespace Policyd.Modules;

/// <summary>
/// Counts each mail once for each of its attributes: mails, recipients, bytes. Never answers. At RCPT Postfix does not tell the number of
/// recipients: ask at END-OF-MESSAGE for exact figures.
/// </summary>
[Module("Accounting")]
[SideEffects("counts the mail")]
[ActsThroughServer]
public sealed class AccountingPlugin : Plugin, IKeepsItsTime
{
    // Postfix asks again at most some 200 s later; two hours leave room for any clock.
    private static readonly TimeSpan s_requestIdsKept = TimeSpan.FromHours(2);

    // Another node, whose clock is behind, may still count into a bucket or read it.
    private static readonly TimeSpan s_clocksApart = TimeSpan.FromMinutes(5);

    private CounterOptions _options = null!;
    private ICounters _counters = null!;
    private ICounterHousekeeping? _store;
    private WindowAge? _age;
    private string _doneKey = "";

    /// <summary>Whether it counts.</summary>
    [Description("off: count nothing")]
    public UserOption<bool> Enabled { get; set; } = new(true);

    /// <summary>The attributes.</summary>
    [Description("the request attributes to count by; each has its own table"), AttributeName]
    public required IReadOnlyList<string> Fields { get; set; }

    /// <summary>The calendar window.</summary>
    [Description("the time window as a strftime pattern in local time: %Y-%m counts by month, %Y-%m-%d by day")]
    public string TimePattern { get; set; } = "%Y-%m";

    /// <summary>The rolling window.</summary>
    [Description("count in a rolling window of this length instead, such as 1h")]
    public TimeSpan? Window { get; set; }

    /// <summary>The beginning of the tables' names.</summary>
    [Description("the prefix of the table names")]
    public string TablePrefix { get; set; } = "acct_";

    /// <summary>The key.</summary>
    [Description("the key to count by instead of the attribute's value, such as %{client_address/24/64}; fields then names the one table")]
    public KeyTemplate? Key { get; set; }

    /// <summary>What a sender's or recipient's key is without.</summary>
    [Description("the tags to remove from a sender or recipient before it becomes a key: batv, srs, extension")]
    public IReadOnlyList<AddressTag> LeaveOut { get; set; } = [];

    /// <summary>What begins an extension.</summary>
    [Description("the characters that start an extension")]
    public string RecipientDelimiter { get; set; } = "+";

    /// <summary>The connection.</summary>
    [Description("the SQL connection")]
    public string Db { get; set; } = "db";

    /// <summary>The longest wait for the counters.</summary>
    [Description(
        "the longest wait for the counters; after it they count as unavailable and the mail goes on; default: three quarters of "
            + "the time left of request_timeout")]
    public TimeSpan? Wait { get; set; }

    /// <summary>How long windows are kept.</summary>
    [Description("the daily task deletes windows that ended longer ago than this; default: never")]
    public TimeSpan? Keep { get; set; }

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup)
    {
        _store = setup.CounterTables("db", Db);
        _options = new CounterOptions(Db, TablePrefix, Key, TimePattern, Window, Wait, AddressTags.Of(setup, LeaveOut, RecipientDelimiter));
        _options.Check(setup, "fields", Fields);
        _counters = setup.Counters;
        _doneKey = Name + "-acct";
        if (Key is not null && Fields.Count != 1)
        {
            setup.Error("fields", "with the option key the plugin counts in one table, so name only one field");
        }

        if (Keep is not null && Window is not null)
        {
            setup.Error("keep", "not allowed with a rolling window; the daily task deletes its old rows anyway");
        }
        else if (Keep is not null && !WindowAge.TryCreate(TimePattern, out _age, out var error))
        {
            setup.Error("keep", error);
        }

        foreach (var field in Fields)
        {
            var table = setup.UseCounterTable(Db, TablePrefix + field, writes: !Observe);
            if (!Observe)
            {
                table.AddAccounting(new CountingPlugin(Name, _doneKey));
            }
        }
    }

    /// <inheritdoc/>
    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    public override async ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        if (!Enabled.For(context) || context.IsAlreadyDone(_doneKey))
        {
            return PluginResult.Continue;
        }

        if (context.IsRehearsal)
        {
            await RehearseAsync(context).ConfigureAwait(false);
            return PluginResult.Continue;
        }

        var window = _options.WindowOf(context);
        var amounts = CounterOptions.AmountsOf(context);
        using var timeout = _options.TimeoutOf(context);
        var since = context.Clock.GetTimestamp();

        // Together: each has an owner of its own, and they share commits.
        var phase = new CounterPhase();
        var (request, hasFormer) = (context.CountedRequest, _counters.KnowsFormerIds(Db));
        for (var index = 0; index < Fields.Count; index++)   // an enumerator would be an object for each mail
        {
            if (_options.KeyOf(context, Fields[index]) is { } key)
            {
                phase.Put(new AddOperation(key, window, amounts, request.Mail, request.IdOf(Name, key))
                {
                    FormerId = hasFormer ? request.FormerIdOf(Name, key) : null,
                    Admission = context.Run.Admission,
                });
            }
        }

        await phase.RunAsync(_counters, timeout.Token).ConfigureAwait(false);
        foreach (var add in phase)
        {
            if (add.Answer.State == CounterState.Known)
            {
                context.Counted(add.Key, window);
            }
            else if (add.Answer.State == CounterState.Stale)
            {
                AccountingMetrics.Stale.Add(1, new KeyValuePair<string, object?>("plugin", Name));
                if (context.TryRunAgain())
                {
                    Log(context, $"{add.Key.Table}: full by now, since the counter has another owner; the chain runs again");
                    return PluginResult.Abort();
                }

                throw new InvalidOperationException($"{add.Key.Table}: the counter was moved again while the mail was being counted");
            }
            else
            {
                NotCounted(context, add, timeout.Token.IsCancellationRequested, since);
            }
        }

        foreach (var add in phase)
        {
            if (add.Answer.Reason == CounterReason.Spool)
            {
                throw new IOException($"{add.Key.Table}: the mail is not counted: the database is away, and the spool takes nothing");
            }
        }

        return PluginResult.Continue;
    }

    /// <summary>Reads what it would add to.</summary>
    private async ValueTask RehearseAsync(PluginContext context)
    {
        if (!context.TakesNotes)
        {
            return;
        }

        using var timeout = _options.TimeoutOf(context);
        var phase = new CounterPhase();
        foreach (var field in Fields)
        {
            if (_options.KeyOf(context, field) is { } key)
            {
                phase.Put(new ReadOperation(key, _options.WindowOf(context)));
            }
        }

        await phase.RunAsync(_counters, timeout.Token).ConfigureAwait(false);
        foreach (var read in phase)
        {
            context.Note(
                $"{read.Key.Key} in {read.Key.Table}, {read.Window.Name}",
                read.Answer.State == CounterState.Known ? read.Answer.Total.ToString() : read.Answer.Reason.Describe());
        }

        context.WouldHave($"counted {CounterOptions.AmountsOf(context)}");
    }

    /// <inheritdoc/>
    public override async ValueTask CronAsync(CronContext cron)
    {
        if (_store is null)
        {
            return;
        }

        var now = cron.Clock.GetUtcNow();
        if (cron.Has("hourly") || cron.Has("daily"))
        {
            // The task may be the first that ever uses the database: it must not fail for want of tables.
            foreach (var field in Fields)
            {
                await _store.EnsureTableAsync(TablePrefix + field, cron.Cancellation).ConfigureAwait(false);
            }
        }

        if (cron.Has("hourly"))
        {
            await _store.PurgeRequestIdsAsync(now - s_requestIdsKept, cron.Cancellation).ConfigureAwait(false);
        }

        if (cron.Has("daily"))
        {
            foreach (var field in Fields)
            {
                var purged = await _store.PurgeWindowsAsync(TablePrefix + field, IsOld(cron.Clock), cron.Cancellation)
                    .ConfigureAwait(false);
                ChainLog.Write(
                    cron.Logger,
                    Microsoft.Extensions.Logging.LogLevel.Information,
                    string.Create(CultureInfo.InvariantCulture, $"{Name}: {purged} old rows of {TablePrefix}{field} deleted"));
            }
        }
    }

    private void NotCounted(PluginContext context, CounterOperation add, bool isTooLate, long since)
    {
        if (isTooLate)
        {
            _options.GaveUp(
                context,
                this,
                $"{add.Key.Table}: the counters {Waited.TimedOut(context.Clock, since)}; mail goes on and is counted later");
        }

        AccountingMetrics.Unconfirmed(Name, add.Answer);
        Log(context, $"{add.Key.Table}: answered before the mail was counted ({add.Answer.Reason.Describe()})");
    }

    /// <summary>
    /// Rows of another's calendar are not this plugin's to delete: their texts have another form. Buckets that have run out are nobody's.
    /// Windows as far ahead as others are kept were counted by a clock that was wrong.
    /// </summary>
    private Func<string, bool> IsOld(TimeProvider clock)
    {
        var now = clock.GetLocalNow();
        var last = Keep is { } ahead && now < DateTimeOffset.MaxValue - ahead
            ? _age?.EndOf(Strftime.Format(TimePattern, now + ahead))
            : null;
        return time => WindowAge.BucketExpiry(time) is { } expiry ? expiry + s_clocksApart < now || WindowAge.IsFarAhead(time, now)
            : Keep is { } keep && _age?.EndOf(time) is { } end && (now.DateTime - end > keep || end > last);
    }
}
