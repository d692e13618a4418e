using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Dns;
using Policyd.Plugins.Logging;
using Policyd.Plugins.Perl;
using Policyd.Plugins.Sessions;
using Policyd.Protocol;

namespace Policyd.Plugins.Api;

/// <summary>
/// One run of one plugin on one request. A plugin that is given up at its deadline keeps its context, but the session in it is then
/// an empty one that nobody reads. Ask for <see cref="Session"/> each time, do not keep it over an await.
/// </summary>
[SuppressMessage("Reliability", "CA1001", Justification = "The chain disposes the token source with the run; a plugin must not.")]
public sealed class PluginContext
{
    private readonly RequestRun _run;
    private readonly PluginContext? _parent;
    private readonly Plugin _plugin;
    private readonly long _deadline;
    private CancellationTokenSource? _cancellation;
    private Session? _afterAbandon;

    internal PluginContext(RequestRun run, Plugin plugin, PluginContext? parent, long deadline)
    {
        _run = run;
        _plugin = plugin;
        _parent = parent;
        _deadline = deadline;
    }

    /// <summary>The request.</summary>
    public PolicyRequest Request => _run.Request;

    /// <summary>What is known of the mail; kept for its later requests.</summary>
    public Session Session
    {
        get
        {
            for (var context = this; context is not null; context = context._parent)
            {
                if (Volatile.Read(ref context._afterAbandon) is { } dead)
                {
                    return dead;
                }
            }

            return _run.Session;
        }
    }

    /// <summary>The name of the virtual host.</summary>
    public string VirtualHost => _run.VirtualHost;

    /// <summary>The clock.</summary>
    public TimeProvider Clock => _run.Clock;

    /// <summary>The log, whose lines name the request and the plugin. Made when asked for.</summary>
    public ILogger Logger => new PluginLogger(_run.Logger, VirtualHost, _plugin.Name, Request.Instance);

    /// <summary>When the request is taken to be made, in local time: the same for all of its plugins.</summary>
    public DateTimeOffset RequestTime => _run.Time;

    /// <summary>How counters know the request.</summary>
    public CountedRequest CountedRequest => _run.Counted;

    /// <summary>How long the plugin still has; never negative.</summary>
    public TimeSpan Remaining
    {
        get
        {
            var clock = Clock;
            var now = clock.GetTimestamp();
            return now >= _deadline ? TimeSpan.Zero : clock.GetElapsedTime(now, _deadline);
        }
    }

    /// <summary>When the plugin is given up.</summary>
    public DateTimeOffset Deadline => Clock.GetUtcNow() + Remaining;

    /// <summary>Cancelled at the plugin's deadline. Made when first asked for.</summary>
    public CancellationToken Cancellation
    {
        get
        {
            lock (_run)
            {
                if (_cancellation is null)
                {
                    _cancellation = IsAbandoned ? new CancellationTokenSource(0) : new CancellationTokenSource(Remaining, Clock);
                }

                return _cancellation.Token;
            }
        }
    }

    /// <summary>
    /// What the request may ask of <see cref="PluginSetup.Dns"/> for names that come from a stranger: hand it over with each such lookup,
    /// so that no mail takes more than its part of the resolver.
    /// </summary>
    public DnsBudget Lookups => _run.Lookups;

    /// <summary>
    /// Whether an operator asks what would become of a request that no client has sent. It is a rehearsal too; what is counted of mails,
    /// such as a metric, leaves it out.
    /// </summary>
    public bool IsExplanation => _run.IsExplanation;

    /// <summary>
    /// What a plugin with <see cref="IAsksForFollowers"/> has asked of the counters for those behind it; null when nothing is left of it.
    /// Those behind it find their own operation by <see cref="CounterOperation.AskedFor"/>.
    /// </summary>
    public CounterPhase? AskedAhead
    {
        get => _run.Asked;
        set => _run.Asked = value;
    }

    /// <summary>The last of the checks that let the mail in, for <see cref="AddOperation.Admission"/>; null when there was none.</summary>
    public ReserveOperation? Admission => _run.Admission;

    internal RequestRun Run => _run;

    internal long DeadlineTimestamp => _deadline;

    internal bool IsAbandoned => Volatile.Read(ref _afterAbandon) is not null;

    /// <summary>
    /// Whether nothing may come of this run but its answer: an operator rehearses, or observes the plugin. A module that declares
    /// <see cref="SideEffectsAttribute"/> then leaves its side effects out, and tells them with <see cref="WouldHave"/>.
    /// </summary>
    public bool IsRehearsal => _run.IsRehearsal;

    /// <summary>Notes a side effect that a rehearsal has left out.</summary>
    /// <param name="what">What the plugin would have done, such as <c>banned 192.0.2.7</c>.</param>
    public void WouldHave(string what) => Note("would have", what);

    /// <summary>
    /// Whether somebody wants to know what plugins read and conclude: an operator who asks why, or follows decisions. Ask before making a
    /// text only for <see cref="Note{TValue}(string, TValue, string?)"/>, which does nothing otherwise.
    /// </summary>
    public bool TakesNotes => _run.TakesFacts;

    /// <summary>Notes something that the plugin has read. Costs nothing when nobody wants to know, and never fails.</summary>
    /// <typeparam name="TValue">Text, a number, or anything else that has a text.</typeparam>
    /// <param name="name">What was read, such as <c>sender</c>. No secret belongs here.</param>
    /// <param name="value">What it was; null when it was not there.</param>
    /// <param name="result">What follows from it; null when nothing does.</param>
    public void Note<TValue>(string name, TValue value, string? result = null)
    {
        if (_run.TakesFacts)
        {
            _run.AddFact(this, name, TextOf(value), null, result);
        }
    }

    /// <summary>Notes something that the plugin has read and compared. Costs nothing when nobody wants to know, and never fails.</summary>
    /// <typeparam name="TValue">Text, a number, or anything else that has a text.</typeparam>
    /// <typeparam name="TOther">The same.</typeparam>
    /// <param name="name">What was read, such as <c>sender</c>. No secret belongs here.</param>
    /// <param name="value">What it was; null when it was not there.</param>
    /// <param name="comparedWith">What it was compared with.</param>
    /// <param name="result">What follows from it.</param>
    public void Note<TValue, TOther>(string name, TValue value, TOther comparedWith, string result)
    {
        if (_run.TakesFacts)
        {
            _run.AddFact(this, name, TextOf(value), TextOf(comparedWith), result);
        }
    }

    /// <summary>
    /// Records that this request reserved on a counter, or may have: the server gives the reservation back if the mail comes to nothing.
    /// </summary>
    /// <param name="check">The check that reserved; once for each.</param>
    public void Reserved(ReserveOperation check)
    {
        ArgumentNullException.ThrowIfNull(check);
        _run.AddReserved(check);
    }

    /// <summary>Records that the mail is counted: its reservation has become a count, there is nothing to give back.</summary>
    /// <param name="key">The counter.</param>
    /// <param name="window">The window counted in.</param>
    public void Counted(CounterKey key, CounterWindow window) => _run.RemoveReserved(key, window);

    /// <summary>
    /// Records that a check has let the mail in. An add that is given <see cref="Admission"/> has it made again when the counter has
    /// another owner by then.
    /// </summary>
    /// <param name="check">The check, answered.</param>
    public void Admitted(ReserveOperation check)
    {
        ArgumentNullException.ThrowIfNull(check);
        _run.Admitted(check);
    }

    /// <summary>Computes a value once a mail and keeps it in the session under the key.</summary>
    /// <typeparam name="T">Any type that JSON can hold: text, numbers, enums, tuples, records, and lists of them.</typeparam>
    /// <param name="key">The key; put the plugin's name into it when each plugin has its own.</param>
    /// <param name="compute">Makes the value.</param>
    /// <exception cref="InvalidOperationException">The value would not come back as it is.</exception>
    public ValueTask<T> CachedAsync<T>(string key, Func<ValueTask<T>> compute) =>
        CachedAsync(key, static compute => compute(), compute);

    /// <summary>The same without a closure: <paramref name="state"/> is handed to <paramref name="compute"/>.</summary>
    /// <typeparam name="T">Any type that JSON can hold.</typeparam>
    /// <typeparam name="TState">What the computation needs.</typeparam>
    /// <param name="key">The key.</param>
    /// <param name="compute">Makes the value.</param>
    /// <param name="state">Handed over.</param>
    public ValueTask<T> CachedAsync<T, TState>(string key, Func<TState, ValueTask<T>> compute, TState state)
    {
        if (Session.TryGet<T>(key, out var kept))
        {
            if (TakesNotes)
            {
                Note(key, Session[key], "known from an earlier request of the mail");
            }

            return new ValueTask<T>(kept!);
        }

        var computing = compute(state);
        if (!computing.IsCompletedSuccessfully)
        {
            return KeepAsync(key, computing);
        }

        var value = computing.Result;
        Session.Set(key, value);
        return new ValueTask<T>(value);
    }

    /// <summary>False the first time in a mail, true afterwards.</summary>
    /// <param name="key">What is done; put the plugin's name into it.</param>
    public bool IsAlreadyDone(string key)
    {
        if (Session.TrySet(key))
        {
            return false;
        }

        Note(key, "1", "already done in this mail");
        return true;
    }

    /// <summary>Adds to a score of the mail, and <c>name=value</c> to its details.</summary>
    /// <param name="name">Who adds: a plugin's name, and what of the mail belongs to it. Escaped as <see cref="ScoreName"/> says.</param>
    /// <param name="value">How much, negative to take off.</param>
    /// <param name="field">Which score.</param>
    public void AddScore(string name, double value, string field = "score")
    {
        var session = Session;
        var detail = DetailOf(field);
        var own = $"{ScoreName.Escape(name)}={PerlNumber.Format(value)}";
        session[field] = PerlNumber.Format(PerlNumber.Parse(session[field]) + value);
        session[detail] = session[detail] is { Length: > 0 } before ? $"{before}, {own}" : own;
        if (TakesNotes)
        {
            Note(field, session[field], own);
        }
    }

    /// <summary>The same once a mail: what a name has added is not added again by a later request.</summary>
    /// <param name="name">Who adds: a plugin's name.</param>
    /// <param name="value">How much; null adds nothing.</param>
    /// <param name="field">Which score.</param>
    public void AddScoreOnce(string name, double? value, string field = "score")
    {
        if (value is { } score && !IsAlreadyDone(name + "-score"))
        {
            AddScore(name, score, field);
        }
    }

    /// <summary>A score of the mail; 0 when nothing was added.</summary>
    /// <param name="field">Which score.</param>
    public double Score(string field = "score") => PerlNumber.Parse(Session[field]);

    /// <summary>What a score is made of: <c>name=value, name=value</c>; empty when nothing was added.</summary>
    /// <param name="field">Which score.</param>
    public string ScoreDetail(string field = "score") => Session[DetailOf(field)] ?? "";

    /// <summary>Logs a message with virtual host, instance and plugin before it; control characters are escaped.</summary>
    /// <param name="level">The level.</param>
    /// <param name="plugin">The plugin that logs; null for none.</param>
    /// <param name="message">The message.</param>
    public void Log(PolicyLogLevel level, Plugin? plugin, string message)
    {
        var logLevel = level.ToLogLevel();
        if (_run.Logger.IsEnabled(logLevel))
        {
            ChainLog.Write(_run.Logger, logLevel, new PluginMessage(VirtualHost, Request.Instance, plugin?.Name, message));
        }
    }

    /// <summary>
    /// For a plugin whose counter answers <see cref="CounterState.Stale"/>: what the chain has made of this request is void, and it runs
    /// again from its start, with the session as the request found it. The plugin then ends with <see cref="PluginResult.Abort"/>. A chain
    /// runs again only when one of its plugins is an <see cref="IAsksForFollowers"/>.
    /// </summary>
    /// <returns>False when this is the second run or a rehearsal, or nobody waits for the plugin any more.</returns>
    public bool TryRunAgain()
    {
        if (IsRehearsal)
        {
            return false;
        }

        for (var context = this; context is not null; context = context._parent)
        {
            if (context.IsAbandoned)
            {
                return false;
            }
        }

        return _run.TryVoid();
    }

    // From here on the plugin is on its own. First the flag, then the move: a plugin that took the session object before finds it emptied,
    // one that asks later gets the dead one.
    internal void Abandon()
    {
        Volatile.Write(ref _afterAbandon, new Session());
        _run.Abandon();
        lock (_run)
        {
            _cancellation?.CancelAsync();
        }
    }

    internal void Dispose()
    {
        if (_cancellation is { } cancellation)
        {
            lock (_run)
            {
                cancellation.Dispose();
            }
        }
    }

    private static string? TextOf<T>(T value) => Convert.ToString(value, CultureInfo.InvariantCulture);

    // Nearly every score is the default one, whose name need not be made anew.
    private static string DetailOf(string field) => field == "score" ? "score" + MailScore.DetailSuffix : field + MailScore.DetailSuffix;

    private async ValueTask<T> KeepAsync<T>(string key, ValueTask<T> computing)
    {
        var value = await computing.ConfigureAwait(false);
        Session.Set(key, value);
        return value;
    }
}
