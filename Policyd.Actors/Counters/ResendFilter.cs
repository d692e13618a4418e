namespace Policyd.Actors.Counters;

/// <summary>
/// The request ids of the last minutes. Postfix asks again when a connection broke under a request, at most some 200 s
/// later with its defaults; the mail must not be counted again. Two generations of sets, so that forgetting costs nothing.
/// </summary>
internal sealed class ResendFilter(TimeSpan keep, int capacity)
{
    private HashSet<UInt128> _young = [];
    private HashSet<UInt128> _old = [];
    private DateTimeOffset _turned = DateTimeOffset.MinValue;

    /// <summary>Remembers the id; false when it was here before.</summary>
    public bool TryAdd(UInt128 id, DateTimeOffset now)
    {
        Turn(now);
        return !_old.Contains(id) && _young.Add(id);
    }

    private void Turn(DateTimeOffset now)
    {
        var full = _young.Count >= capacity / 2;
        if (!full && now - _turned < keep)
        {
            return;
        }

        if (full)
        {
            CounterMetrics.ForgottenIds.Add(_old.Count);
        }

        // An id lives for one to two times `keep`: never shorter than promised.
        (_old, _young) = (_young, _old);
        _young.Clear();
        if (now - _turned >= keep + keep)
        {
            _old.Clear();
        }

        _turned = now;
    }
}
