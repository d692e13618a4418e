using System.ComponentModel;
using System.Runtime.CompilerServices;
using Policyd.Modules.Addresses;
using Policyd.Plugins.Api;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Services;
using Policyd.Plugins.Sources;

namespace Policyd.Modules;

/// <summary>
/// Counts each mail once for each of its attributes: mails, recipients, bytes. Never answers. At RCPT Postfix does not tell the number of
/// recipients: ask at END-OF-MESSAGE for exact figures.
/// </summary>
[Module("Accounting")]
[SideEffects("counts the mail")]
[ActsThroughServer]
public sealed class AccountingPlugin : Plugin, IKeepsItsTime, IUsesCounters, ICounterPlugin
{
    private CounterOptions _options = null!;
    private ICounters _counters = null!;
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
    IEnumerable<CounterUse> IUsesCounters.CounterUses =>
        Fields.Select(name => new CounterUse(Db, TablePrefix + name, name, CounterWindowKind.Of(TimePattern, Window))
        {
            KeysAreValues = CounterOptions.KeysAreValues(this),
        });

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup)
    {
        // The connection first: it is told also where other options do not fit.
        setup.Database("db", Db);
        _options = new CounterOptions(this, setup);
        _options.Check(setup, "fields", Fields);
        _counters = setup.Counters;
        _doneKey = Name + "-acct";
        if (Key is not null && Fields.Count != 1)
        {
            setup.Error("fields", "with the option key the plugin counts in one table, so name only one field");
        }

        var window = CounterWindowKind.Of(TimePattern, Window);
        WindowRetention? retention = null;
        if (Keep is { } keep && !WindowRetention.TryCreate(window, keep, out retention, out var error))
        {
            setup.Error("keep", error);
        }

        foreach (var field in Fields)
        {
            var table = setup.UseCounterTable(Db, TablePrefix + field, writes: !Observe);
            if (!Observe)
            {
                table.AddAccounting(new CountingPlugin(Name, _doneKey));
                table.Counts(window, retention);
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
                    Admission = context.Admission,
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
}
