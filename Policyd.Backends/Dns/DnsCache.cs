using Policyd.Plugins.Dns;

namespace Policyd.Backends.Dns;

// Answers until their time to live is over, the least recently used going first when there are too many, or when together they are larger
// than a kilobyte each: a stranger's names have records as large as he likes. Not safe by itself: the resolver's lock is around it, since
// "in the cache", "already asked" and "to be asked" must be one decision.
internal sealed class DnsCache(int size, TimeProvider clock)
{
    private const long BytesOfAnswer = 1024;

    private readonly Dictionary<DnsKey, LinkedListNode<Entry>> _entries = [];
    private readonly LinkedList<Entry> _byUse = new();
    private long _bytes;

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
        var entry = new Entry(key, answer, expires, BytesOf(answer));
        _entries[key] = _byUse.AddFirst(entry);
        _bytes += entry.Bytes;
        while (_entries.Count > size || (_bytes > size * BytesOfAnswer && _entries.Count > 1))
        {
            Remove(_byUse.Last!);
        }
    }

    // Near enough: an object's own bytes, and what of it can be large.
    private static long BytesOf(DnsAnswer answer)
    {
        var bytes = 0L;
        foreach (var record in answer.Records)
        {
            bytes += 64 + record switch
            {
                TextRecord text => text.Text.Length * sizeof(char),
                DataRecord data => data.Data.Length,
                MailExchangerRecord exchanger => exchanger.Host.Length * sizeof(char),
                NameRecord name => name.Name.Length * sizeof(char),
                _ => 0,
            };
        }

        return bytes;
    }

    private void Remove(LinkedListNode<Entry> node)
    {
        _bytes -= node.Value.Bytes;
        _byUse.Remove(node);
        _entries.Remove(node.Value.Key);
    }

    private readonly record struct Entry(DnsKey Key, DnsAnswer Answer, long Expires, long Bytes);
}
