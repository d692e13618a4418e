using Policyd.Plugins.Dns;

namespace Policyd.Backends.Dns;

// Lookups under way, and answers, of one kind of names. Those of the operator's lists and those that strangers chose have a share each,
// which the other cannot fill: a sender whose records lead to a thousand silent names would otherwise switch all lists off. Within a share
// no zone has more than its part, and no client: one that has many domains would take the lookups of all other mails.
// Not safe by itself: the resolver's lock is around it.
internal sealed class DnsShare(string kind, int slots, int slotsOfZone, int slotsOfClient, DnsCache answers)
{
    private readonly Dictionary<DnsKey, Task<DnsAnswer>> _underWay = [];
    private readonly Dictionary<string, int> _ofZone = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _ofClient = new(StringComparer.Ordinal);

    /// <summary>What the names are, for metrics and log.</summary>
    public string Kind { get; } = kind;

    public DnsCache Answers { get; } = answers;

    public IEnumerable<Task<DnsAnswer>> UnderWay => _underWay.Values;

    public Task<DnsAnswer>? Find(DnsKey key) => _underWay.GetValueOrDefault(key);

    /// <summary>Takes a slot for a lookup.</summary>
    /// <returns>Null when it has one; else what is used up.</returns>
    public DnsBound? Take(DnsKey key, string zone, DnsBudget? budget, Task<DnsAnswer> answer)
    {
        var bound = _underWay.Count >= slots ? DnsBound.All
            : _ofZone.GetValueOrDefault(zone) >= slotsOfZone ? DnsBound.Zone
            : budget is not null && _ofClient.GetValueOrDefault(budget.Client) >= slotsOfClient ? DnsBound.Client
            : budget?.TryTake() == false ? DnsBound.Request
            : (DnsBound?)null;
        if (bound is null)
        {
            Add(_ofZone, zone, 1);
            Add(_ofClient, budget?.Client, 1);
            _underWay.Add(key, answer);
        }

        return bound;
    }

    public void GiveBack(DnsKey key, string zone, DnsBudget? budget)
    {
        budget?.GiveBack();
        _underWay.Remove(key);
        Add(_ofZone, zone, -1);
        Add(_ofClient, budget?.Client, -1);
    }

    private static void Add(Dictionary<string, int> to, string? whose, int change)
    {
        if (whose is null)
        {
            return;
        }

        if (to.GetValueOrDefault(whose) + change is > 0 and var count)
        {
            to[whose] = count;
        }
        else
        {
            to.Remove(whose);
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

    /// <summary>The part of them that the requests of one client's network may have.</summary>
    Client,

    /// <summary>The request's own budget.</summary>
    Request,
}
