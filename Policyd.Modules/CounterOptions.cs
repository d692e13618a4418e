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
internal sealed class CounterOptions(
    string connection, string prefix, KeyTemplate? key, string pattern, TimeSpan? window, TimeSpan? wait, AddressTags tags)
{
    // Of what the request has left: a quota that waits for a slow database leaves a quarter to its accounting, and that one a quarter to
    // what follows.
    private const double ShareOfTime = 0.75;

    private readonly ConcurrentDictionary<string, string> _tables = new(StringComparer.Ordinal);
    private readonly LogThrottle _gaveUp = new(TimeProvider.System);
    private LastWindow? _last;

    /// <summary>
    /// The counter of a request in the table of an attribute; null when the attribute, or one of the key template, is blank.
    /// </summary>
    public CounterKey? KeyOf(PluginContext context, string field)
    {
        var text = key is null ? KeyTemplate.ValueOf(context.Request, field, tags) : key.Fill(context.Request, tags);
        return string.IsNullOrWhiteSpace(text)
            ? null
            : new CounterKey(connection, _tables.GetOrAdd(field, static (name, prefix) => prefix + name, prefix), text);
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
                second, now.Offset, window is { } span ? CounterWindow.Sliding(span, now) : CounterWindow.Calendar(pattern, now));
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
        var left = context.Remaining;
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
            if (!CounterTableName.TryParse(prefix, field, out _, out var error))
            {
                setup.Error(fieldOption, error);
            }
        }

        if (window is { } span && span < TimeSpan.FromSeconds(1))
        {
            setup.Error("window", "a rolling window must be at least one second long");
        }

        if (wait <= TimeSpan.Zero || wait > TimeSpan.FromHours(1))
        {
            setup.Error("wait", "must be more than 0 and at most 1 hour");
        }

        if (Strftime.Check(pattern) is { } unknown)
        {
            setup.Error("time_pattern", unknown);
        }

        if (window is not null && setup.Section.Has("time_pattern"))
        {
            setup.Error("window", "window (rolling) and time_pattern (calendar) exclude each other; set only one");
        }
    }

    private sealed record LastWindow(long Second, TimeSpan Offset, CounterWindow Window);
}
