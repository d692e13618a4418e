using Policyd.Plugins.Api;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Sources;

namespace Policyd.Plugins.Services;

/// <summary>
/// A plugin's counters in one table, one for each key, made by <see cref="CounterServices.Counter"/>. They are exact: each key has one
/// owner in the whole cluster, and a mail is answered after its count is committed. While the database is away, counts are kept and written
/// later, and what a counter holds is not known.
/// </summary>
public sealed class PluginCounter
{
    private readonly Plugin _plugin;
    private readonly ICounters _counters;
    private readonly CounterTable _table;
    private readonly CounterWindowKind _window;
    private readonly SourceLog _log;

    internal PluginCounter(Plugin plugin, ICounters counters, CounterTable table, CounterWindowKind window)
    {
        (_plugin, _counters, _table, _window) = (plugin, counters, table, window);
        _log = new SourceLog($"counters of {table.Table}", TimeProvider.System);
    }

    /// <summary>The table.</summary>
    public string Table => _table.Table;

    /// <summary>
    /// Adds to a key, once for each mail: a request that Postfix sends again, and the next recipient of the same mail, add nothing. What is
    /// to be counted apart belongs into the key. In a rehearsal nothing is added, and what would be is noted.
    /// </summary>
    /// <param name="context">The request.</param>
    /// <param name="key">The key, such as a sender or an address; text of any length and letters.</param>
    /// <param name="count">How many.</param>
    /// <returns>What the window holds with it; null when that is not known: the database is away, or did not answer within three quarters
    /// of the plugin's time. The add is then kept, and written later.</returns>
    /// <exception cref="IOException">The add was not kept: the database is away, and the spool takes nothing.</exception>
    public ValueTask<CounterAmounts?> AddAsync(PluginContext context, string key, long count = 1) =>
        AddAsync(context, key, new CounterAmounts(count, 0, 0, 0));

    /// <summary>The same with all four sums. Those of a mail are <see cref="CounterAmounts.OfMail"/>.</summary>
    /// <param name="context">The request.</param>
    /// <param name="key">The key.</param>
    /// <param name="amounts">How much.</param>
    /// <returns>What the window holds with it; null when that is not known.</returns>
    /// <exception cref="IOException">The add was not kept: the database is away, and the spool takes nothing.</exception>
    public async ValueTask<CounterAmounts?> AddAsync(PluginContext context, string key, CounterAmounts amounts)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (context.IsRehearsal)
        {
            context.WouldHave($"counted {amounts} for {key} in {Table}");
            return await ReadAsync(context, key).ConfigureAwait(false) is { } before ? before + amounts : null;
        }

        var (counter, window) = (_table[key], _window.At(context.RequestTime));
        var request = context.CountedRequest;
        var add = new AddOperation(counter, window, amounts, request.Mail, request.IdOf(_plugin.Name, counter));
        var sum = await AskAsync(context, add).ConfigureAwait(false);
        if (add.Answer.Reason == CounterReason.Spool)
        {
            throw new IOException($"{Table}: the mail is not counted: the database is away, and the spool takes nothing");
        }

        if (sum is not null)
        {
            context.Counted(counter, window);
        }

        return sum;
    }

    /// <summary>What the window of now holds of a key.</summary>
    /// <param name="context">The request.</param>
    /// <param name="key">The key.</param>
    /// <returns>The sums; null when they are not known: the database is away, or did not answer within three quarters of the plugin's
    /// time.</returns>
    public ValueTask<CounterAmounts?> ReadAsync(PluginContext context, string key)
    {
        ArgumentNullException.ThrowIfNull(context);
        return AskAsync(context, new ReadOperation(_table[key], _window.At(context.RequestTime)));
    }

    private async ValueTask<CounterAmounts?> AskAsync(PluginContext context, CounterOperation operation)
    {
        var since = context.Clock.GetTimestamp();
        using var timeout = SourceTime.For(context, TimeSpan.MaxValue);
        var phase = new CounterPhase();
        phase.Put(operation);
        await phase.RunAsync(_counters, timeout.Token).ConfigureAwait(false);
        var answer = operation.Answer;
        if (operation.IsAnswered)
        {
            // Why a database is away the counters tell themselves.
            _log.Back(context, _plugin);
        }
        else
        {
            _log.Away(context, _plugin, Waited.TimedOut(context.Clock, since));
        }

        CounterAmounts? sum = answer.State == CounterState.Known ? answer.Total : null;
        if (context.TakesNotes)
        {
            context.Note(
                $"{operation.Key.Key} in {Table}, {operation.Window.Name}", sum?.ToString() ?? answer.Reason.Describe());
        }

        return sum;
    }
}
