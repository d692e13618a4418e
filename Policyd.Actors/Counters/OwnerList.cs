using System.Collections;

namespace Policyd.Actors.Counters;

/// <summary>
/// The owners of a partition: a list that their entries form by themselves, since a set would cost each twice as much, and would be copied
/// whole as it grows. It belongs to the partition alone.
/// </summary>
internal sealed class OwnerList : IEnumerable<OwnerEntry>
{
    private OwnerEntry? _first;

    public int Count { get; private set; }

    /// <summary>Puts one in that is in no list.</summary>
    public void Add(OwnerEntry entry)
    {
        entry.Following = _first;
        if (_first is { } second)
        {
            second.Preceding = entry;
        }

        _first = entry;
        Count++;
    }

    /// <summary>Takes one out; nothing happens when it is in no list.</summary>
    public void Remove(OwnerEntry entry)
    {
        if (entry == _first)
        {
            _first = entry.Following;
        }
        else if (entry.Preceding is { } preceding)
        {
            preceding.Following = entry.Following;
        }
        else
        {
            return;
        }

        if (entry.Following is { } following)
        {
            following.Preceding = entry.Preceding;
        }

        (entry.Preceding, entry.Following) = (null, null);
        Count--;
    }

    /// <summary>Takes all out: whoever still has one of them has no others by it.</summary>
    public void Clear()
    {
        while (_first is { } first)
        {
            Remove(first);
        }
    }

    public IEnumerator<OwnerEntry> GetEnumerator()
    {
        for (var entry = _first; entry is not null; entry = entry.Following)
        {
            yield return entry;
        }
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
