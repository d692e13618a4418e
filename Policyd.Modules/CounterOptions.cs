using System.Collections.Concurrent;
using System.Globalization;
using Policyd.Modules.Addresses;
using Policyd.Plugins.Api;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Logging;
using Policyd.Plugins.Sources;

namespace Policyd.Modules;

/// <summary>
/// What Accounting and Quota have in common: which table, which key in it, and which window. A Quota reads what an Accounting
/// with the same options counts.
/// </summary>
internal sealed class CounterOptions
{
    private readonly ICounterPlugin _plugin;
    private readonly AddressTags _tags;

    // Of what the request has left: a quota that waits for a slow database leaves a quarter to its accounting, and that one a quarter to
    // what follows.
    private const double ShareOfTime = 0.75;

    private readonly ConcurrentDictionary<string, string> _tables = new(StringComparer.Ordinal);
    private readonly LogThrottle _gaveUp = new(TimeProvider.System);
    private LastWindow? _last;

    public CounterOptions(ICounterPlugin plugin, PluginSetup setup) =>
        (_plugin, _tags) = (plugin, AddressTags.Of(setup, plugin.LeaveOut, plugin.RecipientDelimiter));

    /// <summary>Whether requests only meet in a counter by a common value of its attribute.</summary>
    public static bool KeysAreValues(ICounterPlugin plugin) => plugin.Key is null && plugin.LeaveOut.Count == 0;

    /// <summary>
    /// The counter of a request in the table of an attribute; null when the attribute, or one of the key template, is blank.
    /// </summary>
    public CounterKey? KeyOf(PluginContext context, string field)
    {
        var text = _plugin.Key is { } key ? key.Fill(context.Request, _tags) : KeyTemplate.ValueOf(context.Request, field, _tags);
        return string.IsNullOrWhiteSpace(text)
            ? null
            : new CounterKey(
                _plugin.Db, _tables.GetOrAdd(field, static (name, prefix) => prefix + name, _plugin.TablePrefix), text);
    }

    /// <summary>The window that the request counts into: computed here, once, by the node that received it.</summary>
    public CounterWindow WindowOf(PluginContext context)
    {
        // Neither a bucket nor what strftime can say changes within a second of one time zone.
        var now = context.RequestTime;
        var second = now.UtcTicks / TimeSpan.TicksPerSecond;
        if (Volatile.Read(ref _last) is not { } last || last.Second != second || last.Offset != now.Offset)
        {
            last = new LastWindow(
                second,
                now.Offset,
                _plugin.Window is { } span ? CounterWindow.Sliding(span, now) : CounterWindow.Calendar(_plugin.TimePattern, now));
            Volatile.Write(ref _last, last);
        }

        return last.Window;
    }

    public static CounterAmounts AmountsOf(PluginContext context) =>
        CounterAmounts.OfMail(context.Request.RecipientCount, context.Request.Size);

    /// <summary>
    /// How long the counters are waited for: as long as <c>wait</c> says, else most of the time that the request has left, so that the
    /// plugins after this one have some. Never until the very end of it, which is the plugin's promise as <see cref="IKeepsItsTime"/>: past
    /// its deadline the mail would fail where it should go on.
    /// </summary>
    public TimeoutToken TimeoutOf(PluginContext context)
    {
        var (left, wait) = (context.Remaining, _plugin.Wait);
        var most = wait is null ? left * ShareOfTime : left * 0.9;
        return TimeoutToken.For(wait < most ? wait.Value : most, context.Clock);
    }

    /// <summary>
    /// Tells, as a warning once in a while, that mails go on since the counters did not answer in time. The counters tell themselves why a
    /// database is away.
    /// </summary>
    public void GaveUp(PluginContext context, Plugin plugin, string what)
    {
        if (_gaveUp.Enter(out var leftOut))
        {
            context.Log(
                PolicyLogLevel.Warning,
                plugin,
                leftOut == 0 ? what : string.Create(CultureInfo.InvariantCulture, $"{what} ({leftOut} more since the last line)"));
        }
    }

    /// <summary>Reports what cannot be: a table name that is none, a window below a second, two windows at once.</summary>
    public void Check(PluginSetup setup, string fieldOption, IEnumerable<string> fields)
    {
        foreach (var field in fields)
        {
            if (!CounterTableName.TryParse(_plugin.TablePrefix, field, out _, out var error))
            {
                setup.Error(fieldOption, error);
            }
        }

        if (_plugin.Window is { } span && span < TimeSpan.FromSeconds(1))
        {
            setup.Error("window", "a rolling window must be at least one second long");
        }

        if (_plugin.Wait <= TimeSpan.Zero || _plugin.Wait > TimeSpan.FromHours(1))
        {
            setup.Error("wait", "must be more than 0 and at most 1 hour");
        }

        if (Strftime.Check(_plugin.TimePattern) is { } unknown)
        {
            setup.Error("time_pattern", unknown);
        }

        if (_plugin.Window is not null && setup.Section.Has("time_pattern"))
        {
            setup.Error("window", "window (rolling) and time_pattern (calendar) exclude each other; set only one");
        }
    }

    private sealed record LastWindow(long Second, TimeSpan Offset, CounterWindow Window);
}

/// <summary>The options that Accounting and Quota share, by which the one finds what the other counts.</summary>
internal interface ICounterPlugin
{
    /// <summary>The connection whose database has the table.</summary>
    string Db { get; }

    /// <summary>What stands before the attribute in the table's name.</summary>
    string TablePrefix { get; }

    /// <summary>The key, where it is not the attribute alone.</summary>
    KeyTemplate? Key { get; }

    /// <summary>What of a sender or recipient is no part of its key.</summary>
    IReadOnlyList<AddressTag> LeaveOut { get; }

    /// <summary>What begins an extension.</summary>
    string RecipientDelimiter { get; }

    /// <summary>What the calendar window is called, by strftime.</summary>
    string TimePattern { get; }

    /// <summary>The length of a rolling window; null: the calendar's.</summary>
    TimeSpan? Window { get; }

    /// <summary>How long the counters are waited for; null: a share of the request's time.</summary>
    TimeSpan? Wait { get; }
}
