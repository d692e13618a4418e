namespace Policyd.Plugins.Dns;

// Answers until their time to live is over, the least recently used going first when there are too many. Not safe by itself: the
// resolver's lock is around it, since "in the cache", "already asked" and "to be asked" must be one decision.
internal sealed class DnsCache(int size, TimeProvider clock)
{
    private readonly Dictionary<DnsKey, LinkedListNode<Entry>> _entries = [];
    private readonly LinkedList<Entry> _byUse = new();

    public int Count => _entries.Count;

    public DnsAnswer? Find(DnsKey key)
    {
        if (!_entries.TryGetValue(key, out var node))
        {
            return null;
        }

        if (clock.GetTimestamp() >= node.Value.Expires)
        {
            Remove(node);
            return null;
        }

        if (node.Previous is not null)
        {
            _byUse.Remove(node);
            _byUse.AddFirst(node);
        }

        return node.Value.Answer;
    }

    public void Keep(DnsKey key, DnsAnswer answer, TimeSpan timeToLive)
    {
        if (_entries.TryGetValue(key, out var old))
        {
            Remove(old);
        }

        var expires = clock.GetTimestamp() + (long)(timeToLive.TotalSeconds * clock.TimestampFrequency);
        _entries[key] = _byUse.AddFirst(new Entry(key, answer, expires));
        if (_entries.Count > size)
        {
            Remove(_byUse.Last!);
        }
    }

    private void Remove(LinkedListNode<Entry> node)
    {
        _byUse.Remove(node);
        _entries.Remove(node.Value.Key);
    }

    private readonly record struct Entry(DnsKey Key, DnsAnswer Answer, long Expires);
}
