using Policyd.Plugins.Counters;

namespace Policyd.Counting.Writing;

/// <summary>
/// The request ids of the last minutes. Postfix asks again when a connection broke under a request, at most some 200 s
/// later with its defaults; the mail must not be counted again. Two generations of sets, so that forgetting costs nothing.
/// </summary>
internal sealed class ResendFilter(TimeSpan keep, int capacity)
{
    private HashSet<UInt128> _young = new(CounterRequestId.SameCount);
    private HashSet<UInt128> _old = new(CounterRequestId.SameCount);
    private DateTimeOffset _turned = DateTimeOffset.MinValue;

    /// <summary>Whether exactly this request was counted: not another one of the same mail.</summary>
    public bool Holds(UInt128 id) =>
        (_young.TryGetValue(id, out var counted) || _old.TryGetValue(id, out counted)) && counted == id;

    /// <summary>Whether a request of this count was counted, this one or another of the same mail.</summary>
    public bool HoldsCount(UInt128 id) => _young.Contains(id) || _old.Contains(id);

    /// <summary>Remembers the id; false when its count was here before.</summary>
    public bool TryAdd(UInt128 id, DateTimeOffset now)
    {
        Turn(now);
        return !_old.Contains(id) && _young.Add(id);
    }

    /// <summary>Its count was not taken after all.</summary>
    public void Remove(UInt128 id)
    {
        _young.Remove(id);
        _old.Remove(id);
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
