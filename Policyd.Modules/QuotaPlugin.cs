using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Runtime.CompilerServices;
using Policyd.Modules.Addresses;
using Policyd.Plugins.Api;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Logging;
using Policyd.Plugins.Services;
using Policyd.Plugins.Sources;

namespace Policyd.Modules;

/// <summary>Whether a quota acts.</summary>
public enum QuotaMode
{
    /// <summary>It answers its action.</summary>
    Enforce,

    /// <summary>It logs and counts what it would have done, and answers nothing.</summary>
    Observe,
}

/// <summary>
/// Answers an action when a counter is at or above a threshold. Where an Accounting counts into the same table it checks and reserves: of
/// any number of mails at one time exactly as many are let in as there is room for. It stands before that Accounting in the chain.
/// </summary>
[Module("Quota")]
[SideEffects("reserves the mail's amounts on its counter", "warns")]
[ActsThroughServer]
public sealed class QuotaPlugin : Plugin, INestedChain, IKeepsItsTime, IAsksForFollowers, IUsesCounters, ICounterPlugin
{
    private CounterOptions _options = null!;
    private ICounters _counters = null!;
    private PluginSetup _setup = null!;
    private QuotaWarnings? _warnings;
    private QuotaPlugin[] _followers = [];
    private bool _hasOwnAction;

    /// <summary>Whether it checks.</summary>
    [Description("off: check nothing")]
    public UserOption<bool> Enabled { get; set; } = new(true);

    /// <summary>The attribute.</summary>
    [Description("the request attribute whose counter is checked"), AttributeName]
    public required UserOption<string> Field { get; set; }

    /// <summary>The sum.</summary>
    [Description("what is counted: count, count_rcpt, size or size_rcpt")]
    public required UserOption<CounterMetric> Metric { get; set; }

    /// <summary>The threshold.</summary>
    [Description("the quota acts when the counter reaches this value; unlimited: never")]
    public required UserOption<QuotaLimit> Threshold { get; set; }

    /// <summary>The calendar window.</summary>
    [Description("the time window as a strftime pattern in local time, the same as in Accounting")]
    public string TimePattern { get; set; } = "%Y-%m";

    /// <summary>The rolling window.</summary>
    [Description("a rolling window of this length instead, the same as in Accounting")]
    public TimeSpan? Window { get; set; }

    /// <summary>The action.</summary>
    [Description("the action to return"), Places]
    public UserOption<ActionTemplate> Action { get; set; } = new("defer smtp traffic quota has been exceeded");

    /// <summary>The beginning of the table's name.</summary>
    [Description("the prefix of the table name, the same as in Accounting")]
    public string TablePrefix { get; set; } = "acct_";

    /// <summary>The key.</summary>
    [Description("the key to check instead of the attribute's value, the same as in Accounting; field then names the table")]
    public KeyTemplate? Key { get; set; }

    /// <summary>What a sender's or recipient's key is without.</summary>
    [Description("the tags to remove from a sender or recipient before it becomes a key, the same as in Accounting: batv, srs, extension")]
    public IReadOnlyList<AddressTag> LeaveOut { get; set; } = [];

    /// <summary>What begins an extension.</summary>
    [Description("the characters that start an extension, the same as in Accounting")]
    public string RecipientDelimiter { get; set; } = "+";

    /// <summary>The connection.</summary>
    [Description("the SQL connection")]
    public string Db { get; set; } = "db";

    /// <summary>The longest wait for the counters.</summary>
    [Description(
        "the longest wait for the counters; after it they count as unavailable and the mail goes on; default: three quarters of "
            + "the time left of request_timeout")]
    public TimeSpan? Wait { get; set; }

    /// <summary>When to warn.</summary>
    [Description("log a warning when the counter reaches this fraction of the threshold, such as 0.8; once per window and key"),
     Range(0.0, 1.0)]
    public double? WarnAt { get; set; }

    /// <summary>What to do without a database.</summary>
    [Description(
        "what to do when the counter is unknown because the database is unavailable: dunno (the chain goes on) or an action to return")]
    [Places]
    public ActionTemplate WhenUnavailable { get; set; } = new("dunno");

    /// <summary>Whether it acts.</summary>
    [Description("enforce; observe: only log what the quota would do, and return nothing")]
    public QuotaMode Mode { get; set; }

    /// <inheritdoc/>
    public IPluginChain? Plugins { get; set; }

    /// <summary>The keys whose last mail had a threshold of its own.</summary>
    internal OwnLimits OwnLimits { get; } = new();

    /// <inheritdoc/>
    IEnumerable<CounterUse> IUsesCounters.CounterUses
    {
        get
        {
            var limit = Enabled.Default || Enabled.SessionKey is not null
                ? new CounterLimit(Metric.Default, Threshold.Default.Value, Threshold.SessionKey, Observe, OwnLimits)
                : null;
            return
            [
                new CounterUse(Db, TablePrefix + Field.Default, Field.Default, CounterWindowKind.Of(TimePattern, Window), limit)
                {
                    KeysAreValues = CounterOptions.KeysAreValues(this) && Field.SessionKey is null,
                },
            ];
        }
    }

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup)
    {
        // The connection first, here and in Accounting: it is told also where other options do not fit.
        setup.Database("db", Db);
        _options = new CounterOptions(this, setup);
        _options.Check(setup, "field", [Field.Default]);
        _setup = setup;
        setup.UseCounterTable(Db, TablePrefix + Field.Default, writes: false);
        _counters = setup.Counters;
        _hasOwnAction = setup.Section.Has("action") || setup.Section.Has("uc_action");
        Observe |= Mode == QuotaMode.Observe;
        _warnings = WarnAt is { } fraction ? new QuotaWarnings(fraction) : null;
    }

    /// <inheritdoc/>
    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    public override async ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        var field = Field.For(context);
        if (!Enabled.For(context) || _options.KeyOf(context, field) is not { } key)
        {
            return PluginResult.Continue;
        }

        if (CounterTableName.Check(key.Table) is { } impossible)
        {
            throw new InvalidOperationException(impossible);
        }

        var (metric, threshold, window) = (Metric.For(context), Threshold.For(context), _options.WindowOf(context));
        NoteOwnLimit(key, threshold);
        if (threshold.IsUnlimited)
        {
            // Nobody's counter matters, nor whether the database is there.
            context.Note("threshold", QuotaLimit.UnlimitedText);
            return PluginResult.Continue;
        }

        var table = _setup.FindCounterTable(key.Connection, key.Table);
        var question = await AskAsync(context, table, key, window, metric, threshold.Value).ConfigureAwait(false);
        var admission = AdmissionOf(question, metric, threshold.Value);
        if (admission.State == CounterState.Unavailable)
        {
            Log(context, $"{field} {key.Key}: the counter is unknown ({admission.Reason.Describe()})");
            context.Note(key.Key, admission.Reason.Describe(), "the counter is unknown");
            QuotaMetrics.Unavailable.Add(1, new KeyValuePair<string, object?>("plugin", Name), admission.Reason.Tag());
            if (WhenUnavailable.Text.Equals("dunno", StringComparison.OrdinalIgnoreCase))
            {
                return PluginResult.Continue;
            }

            GiveBackWhatFollowersReserved(context);
            return PluginResult.Answer(WhenUnavailable.Text);
        }

        var total = admission.Total[metric];
        NoteTotal(context, key, window, metric, total, threshold, admission.Yes);
        _warnings?.Consider(context, this, key, window, total, threshold.Value);
        if (admission.Yes)
        {
            NoteAdmission(context, question);
            return PluginResult.Continue;
        }

        if (await IsCountedAsync(context, table, key).ConfigureAwait(false))
        {
            context.Note(key.Key, "counted", "the mail itself is counted already: it was let in before");
            return PluginResult.Continue;
        }

        Exceeded(context);
        if (context.IsRehearsal)
        {
            context.Log(PolicyLogLevel.Notice, this, string.Create(
                CultureInfo.InvariantCulture, $"{field} {key.Key}: {total} of {threshold}, would answer {Action.For(context).Text}"));
        }

        GiveBackWhatFollowersReserved(context);
        return Plugins is not null && !_hasOwnAction
            ? await Plugins.RunAsync(context).ConfigureAwait(false)
            : PluginResult.Answer(Action.For(context).Text);
    }

    /// <inheritdoc/>
    void IAsksForFollowers.Precede(IReadOnlyList<Plugin> followers) =>
        _followers = [.. followers.TakeWhile(MayAskFor).Cast<QuotaPlugin>()];

    private static void NoteTotal(
        PluginContext context,
        CounterKey key,
        CounterWindow window,
        CounterMetric metric,
        long total,
        QuotaLimit threshold,
        bool isAdmitted)
    {
        if (context.TakesNotes)
        {
            context.Note($"{metric} of {key.Key} in {key.Table}, {window.Name}", total, threshold, isAdmitted ? "below" : "reached");
        }
    }

    private void Exceeded(PluginContext context)
    {
        if (!context.IsExplanation)
        {
            var mode = context.IsRehearsal ? "observe" : "enforce";
            QuotaMetrics.Exceeded.Add(
                1, new KeyValuePair<string, object?>("plugin", Name), new KeyValuePair<string, object?>("mode", mode));
        }
    }

    /// <summary>Whether the other would wait for the same counters, and as long.</summary>
    private bool MayAskFor(Plugin other) =>
        other is QuotaPlugin quota
        && quota.Observe == Observe
        && quota.Wait == Wait
        && quota.Timeout == Timeout
        && ReferenceEquals(quota._counters, _counters);

    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    private async ValueTask<CounterOperation> AskAsync(
        PluginContext context, CounterTable table, CounterKey key, CounterWindow window, CounterMetric metric, double threshold)
    {
        if (TakeAsked(context) is { } asked)
        {
            return asked;
        }

        using var timeout = _options.TimeoutOf(context);
        var since = context.Clock.GetTimestamp();
        var phase = new CounterPhase();
        var question = phase.Put(QuestionFor(context, table, key, window, metric, threshold));
        foreach (var follower in Observe ? [] : _followers)
        {
            follower.AskBefore(context, phase);
        }

        context.AskedAhead = phase.Count > 1 ? phase : null;
        await phase.RunAsync(_counters, timeout.Token).ConfigureAwait(false);
        NoteReservations(context, phase);
        if (question.Answer.State == CounterState.Unavailable && timeout.Token.IsCancellationRequested)
        {
            _options.GaveUp(context, this, $"{key.Table}: the counters {Waited.TimedOut(context.Clock, since)}; when_unavailable applies");
        }

        return question;
    }

    private static CounterOperation QuestionFor(
        PluginContext context, CounterTable table, CounterKey key, CounterWindow window, CounterMetric metric, double threshold) =>
        !context.IsRehearsal && table.IsWritten && !IsCountedBefore(context, table)
            ? new ReserveOperation(key, window, metric, threshold, CounterOptions.AmountsOf(context), context.CountedRequest.Mail)
            : new ReadOperation(key, window);

    private static CounterAnswer AdmissionOf(CounterOperation question, CounterMetric metric, double threshold)
    {
        var answer = question.Answer;
        return question is ReserveOperation ? answer : answer with { Yes = answer.Total[metric] < threshold };
    }

    /// <summary>
    /// Puts this quota's question beside that of the one in front of it. Changes nothing: its own turn may never come, and what cannot be
    /// asked now is its failure then.
    /// </summary>
    private void AskBefore(PluginContext context, CounterPhase phase)
    {
        if (Enabled.TryFor(context, out var isEnabled)
            && isEnabled
            && Field.TryFor(context, out var field)
            && Metric.TryFor(context, out var metric)
            && Threshold.TryFor(context, out var threshold)
            && !threshold.IsUnlimited
            && _options.KeyOf(context, field) is { } key
            && CounterTableName.Check(key.Table) is null)
        {
            var table = _setup.FindCounterTable(key.Connection, key.Table);
            phase.Put(QuestionFor(context, table, key, _options.WindowOf(context), metric, threshold.Value)).AskedFor = this;
        }
    }

    /// <summary>What a quota in front of this one has asked for it.</summary>
    private CounterOperation? TakeAsked(PluginContext context)
    {
        if (context.AskedAhead is { } phase)
        {
            foreach (var operation in phase)
            {
                if (ReferenceEquals(operation.AskedFor, this))
                {
                    operation.AskedFor = null;
                    return operation;
                }
            }
        }

        return null;
    }

    /// <summary>The mail's add brings the check with it, for the case that another owner gets it.</summary>
    private static void NoteAdmission(PluginContext context, CounterOperation question)
    {
        if (question is ReserveOperation { Mail.IsNone: false } check)
        {
            context.Admitted(check);
        }
    }

    // Also when no answer came in time: the owner may have reserved all the same.
    private static void NoteReservations(PluginContext context, CounterPhase phase)
    {
        foreach (var operation in phase)
        {
            if (operation is ReserveOperation { Answer.Yes: true, Mail.IsNone: false } check)
            {
                context.Reserved(check);
            }
        }
    }

    /// <summary>
    /// The turn of those behind may not come. One that it comes to all the same asks anew: a nested chain may have changed its options.
    /// </summary>
    private void GiveBackWhatFollowersReserved(PluginContext context)
    {
        if (context.AskedAhead is not { } phase)
        {
            return;
        }

        foreach (var operation in phase)
        {
            if (operation.AskedFor is null || operation is not ReserveOperation { IsAnswered: true })
            {
                continue;
            }

            if (operation.Answer.IsNew)
            {
                _counters.Release(operation.Key, operation.Mail, operation.Window);
            }

            if (!IsHeldByOneThatWasAsked(phase, operation))
            {
                context.Counted(operation.Key, operation.Window);
            }
        }

        context.AskedAhead = null;
    }

    /// <summary>Two quotas of one counter have one place: the one in front keeps it.</summary>
    private static bool IsHeldByOneThatWasAsked(CounterPhase phase, CounterOperation given)
    {
        foreach (var operation in phase)
        {
            if (operation is ReserveOperation { AskedFor: null, Answer.Yes: true }
                && operation.Key == given.Key
                && operation.Window == given.Window)
            {
                return true;
            }
        }

        return false;
    }

    private void NoteOwnLimit(CounterKey key, QuotaLimit threshold)
    {
        if (Threshold.SessionKey is null)
        {
            return;
        }

        if (threshold.Equals(Threshold.Default))
        {
            OwnLimits.Forget(key);
        }
        else
        {
            OwnLimits.Note(key, threshold.Value);
        }
    }

    /// <summary>
    /// At RCPT a mail is counted with its first recipient and asked about for each. What is counted needs no place beside its count.
    /// </summary>
    private static bool IsCountedBefore(PluginContext context, CounterTable table)
    {
        foreach (var accounting in table.Accountings)
        {
            if (!context.Session.Has(accounting.DoneKey))
            {
                return false;
            }
        }

        return table.Accountings.Length > 0;
    }

    /// <summary>
    /// Postfix asks again when an answer was lost. The mail that filled the quota was let in: its own count must not keep it out now, also
    /// when it was counted by a server that has died since.
    /// </summary>
    private async ValueTask<bool> IsCountedAsync(PluginContext context, CounterTable table, CounterKey key)
    {
        if (table.Accountings.Length == 0 || context.CountedRequest.Mail.IsNone)
        {
            return false;
        }

        using var timeout = _options.TimeoutOf(context);
        var request = context.CountedRequest;
        var hasFormer = _counters.KnowsFormerIds(key.Connection);
        var ids = new List<UInt128>();
        foreach (var accounting in table.Accountings)
        {
            ids.Add(request.IdOf(accounting.Name, key)!.Value);
            if (hasFormer)
            {
                ids.Add(request.FormerIdOf(accounting.Name, key)!.Value);
            }
        }

        var phase = new CounterPhase();
        var question = phase.Put(new FindCountedOperation(key, ids));
        await phase.RunAsync(_counters, timeout.Token).ConfigureAwait(false);
        return question.Answer is { State: CounterState.Known, Yes: true };
    }
}
