using System.Diagnostics.CodeAnalysis;

namespace Policyd.Plugins.Counters;

/// <summary>How long the rows of a calendar's windows are kept in a table.</summary>
public sealed class WindowRetention
{
    private readonly string _pattern;
    private readonly WindowAge _age;
    private readonly TimeSpan _keep;

    private WindowRetention(string pattern, WindowAge age, TimeSpan keep) => (_pattern, _age, _keep) = (pattern, age, keep);

    /// <summary>Makes the rule, unless the texts of the windows do not tell when they were.</summary>
    /// <param name="window">The windows of a calendar.</param>
    /// <param name="keep">How long after its end a window is kept.</param>
    /// <param name="retention">The rule.</param>
    /// <param name="error">Why there is none.</param>
    public static bool TryCreate(
        CounterWindowKind window, TimeSpan keep, [NotNullWhen(true)] out WindowRetention? retention, [NotNullWhen(false)] out string? error)
    {
        retention = null;
        if (window.Pattern is not { } pattern)
        {
            error = "not allowed with a rolling window; the daily task deletes its old rows anyway";
            return false;
        }

        if (!WindowAge.TryCreate(pattern, out var age, out error))
        {
            return false;
        }

        retention = new WindowRetention(pattern, age, keep);
        return true;
    }

    /// <summary>
    /// Says of each text whether its window is to go at that time. Rows of another's calendar are not this one's to delete: their texts
    /// have another form. Windows as far ahead as others are kept were counted by a clock that was wrong.
    /// </summary>
    /// <param name="now">The time, in the zone whose calendar counts.</param>
    public Func<string, bool> At(DateTimeOffset now)
    {
        var last = now < DateTimeOffset.MaxValue - _keep ? _age.EndOf(Strftime.Format(_pattern, now + _keep)) : null;
        return time => _age.EndOf(time) is { } end && (now.DateTime - end > _keep || end > last);
    }
}
