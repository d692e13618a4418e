namespace Policyd.Plugins.Dns;

// Lookups under way, and answers, of one kind of names. Those of the operator's lists and those that strangers chose have a share each, which the other
// cannot fill: a sender whose records lead to a thousand silent names would otherwise switch all lists off. Within a share no zone has more than its part.
// Not safe by itself: the resolver's lock is around it.
internal sealed class DnsShare(string kind, int slots, int slotsOfZone, DnsCache answers)
{
    private readonly Dictionary<DnsKey, Task<DnsAnswer>> _underWay = [];
    private readonly Dictionary<string, int> _ofZone = new(StringComparer.Ordinal);

    /// <summary>What the names are, for metrics and log.</summary>
    public string Kind { get; } = kind;

    public DnsCache Answers { get; } = answers;

    public IEnumerable<Task<DnsAnswer>> UnderWay => _underWay.Values;

    public Task<DnsAnswer>? Find(DnsKey key) => _underWay.GetValueOrDefault(key);

    /// <summary>Takes a slot for a lookup.</summary>
    /// <returns>Null when it has one; else what is used up.</returns>
    public DnsBound? Take(DnsKey key, string zone, DnsBudget? budget, Task<DnsAnswer> answer)
    {
        var ofZone = _ofZone.GetValueOrDefault(zone);
        if (_underWay.Count >= slots)
        {
            return DnsBound.All;
        }

        if (ofZone >= slotsOfZone)
        {
            return DnsBound.Zone;
        }

        if (budget?.TryTake() == false)
        {
            return DnsBound.Request;
        }

        _ofZone[zone] = ofZone + 1;
        _underWay.Add(key, answer);
        return null;
    }

    public void GiveBack(DnsKey key, string zone, DnsBudget? budget)
    {
        budget?.GiveBack();
        _underWay.Remove(key);
        if (--_ofZone[zone] is var left && left == 0)
        {
            _ofZone.Remove(zone);
        }
    }
}

/// <summary>What there was no room in for a lookup.</summary>
internal enum DnsBound
{
    /// <summary>The slots of all names of a kind.</summary>
    All,

    /// <summary>The part of them that one zone may have.</summary>
    Zone,

    /// <summary>The request's own budget.</summary>
    Request,
}
