using System.Numerics;
using Policyd.Plugins.Sessions;

namespace Policyd.Engine.Sessions;

/// <summary>
/// Sessions in memory, bounded in bytes. Every session lives equally long from its last store, so the order of storing is the order
/// of expiry: each shard keeps one list, oldest first, and every store drops what has expired at its head. No timer, no
/// finalizer, and constant work a call.
/// </summary>
public sealed class MemorySessionStore : ISessionStore
{
    /// <summary>What a stored session costs beside its instance's characters and its values, in bytes.</summary>
    public const int SessionOverhead = 256;

    // A shard must hold many sessions, else an unlucky distribution drops sessions long before the bound is reached.
    private const long MinShardBytes = 1024 * 1024;
    private const int MaxShards = 16;

    private readonly Shard[] _shards;
    private readonly TimeProvider _clock;
    private readonly long _expireTicks;
    private readonly long _maxShardBytes;

    /// <summary>Makes a store.</summary>
    /// <param name="maxBytes">The most memory for sessions.</param>
    /// <param name="expire">How long a session lives after its last store.</param>
    /// <param name="clock">The clock.</param>
    public MemorySessionStore(long maxBytes, TimeSpan expire, TimeProvider clock)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxBytes);
        var shards = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Clamp(maxBytes / MinShardBytes / 2, 1, MaxShards));
        _shards = new Shard[shards];
        for (var index = 0; index < shards; index++)
        {
            _shards[index] = new Shard();
        }

        _maxShardBytes = maxBytes / shards;
        _clock = clock;
        _expireTicks = (long)(expire.TotalSeconds * clock.TimestampFrequency);
    }

    /// <summary>How many sessions there are, expired ones that are not dropped yet included.</summary>
    public int Count => Sum(static shard => shard.Count);

    /// <summary>The memory that the sessions are counted with.</summary>
    public long Bytes => Sum(static shard => shard.Bytes);

    /// <inheritdoc/>
    public ValueTask<Session> LoadAsync(string instance, CancellationToken ct) =>
        new(instance.Length == 0 ? new Session() : ShardOf(instance).Find(instance, _clock.GetTimestamp()) ?? new Session());

    /// <inheritdoc/>
    public ValueTask StoreAsync(string instance, Session session, CancellationToken ct)
    {
        if (instance.Length > 0)
        {
            var now = _clock.GetTimestamp();
            ShardOf(instance).Put(instance, session, now, now + _expireTicks, _maxShardBytes);
        }

        return ValueTask.CompletedTask;
    }

    private Shard ShardOf(string instance) => _shards[string.GetHashCode(instance, StringComparison.Ordinal) & (_shards.Length - 1)];

    private T Sum<T>(Func<Shard, T> of) where T : struct, INumber<T>
    {
        var sum = T.Zero;
        foreach (var shard in _shards)
        {
            lock (shard.Lock)
            {
                sum += of(shard);
            }
        }

        return sum;
    }

    private sealed class Node(string instance)
    {
        public readonly string Instance = instance;
        public Session Session = null!;
        public long Expires;
        public long Bytes;
        public Node? Older;
        public Node? Newer;
    }

    private sealed class Shard
    {
        private readonly Dictionary<string, Node> _nodes = new(StringComparer.Ordinal);
        private Node? _oldest;
        private Node? _newest;

        public Lock Lock { get; } = new();

        public int Count => _nodes.Count;

        public long Bytes { get; private set; }

        public Session? Find(string instance, long now)
        {
            lock (Lock)
            {
                DropExpired(now);
                return _nodes.TryGetValue(instance, out var node) ? node.Session : null;
            }
        }

        public void Put(string instance, Session session, long now, long expires, long maxBytes)
        {
            var bytes = SessionOverhead + 2L * instance.Length + session.Bytes;
            lock (Lock)
            {
                DropExpired(now);
                if (_nodes.Remove(instance, out var node))
                {
                    Unlink(node);
                }

                if (bytes > maxBytes)
                {
                    return;
                }

                node ??= new Node(instance);
                (node.Session, node.Expires, node.Bytes) = (session, expires, bytes);
                _nodes.Add(node.Instance, node);
                Append(node);
                while (Bytes > maxBytes)
                {
                    Drop(_oldest!);
                }
            }
        }

        private void DropExpired(long now)
        {
            while (_oldest is { } oldest && oldest.Expires <= now)
            {
                Drop(oldest);
            }
        }

        private void Drop(Node node)
        {
            _nodes.Remove(node.Instance);
            Unlink(node);
        }

        private void Append(Node node)
        {
            Bytes += node.Bytes;
            node.Older = _newest;
            node.Newer = null;
            if (_newest is null)
            {
                _oldest = node;
            }
            else
            {
                _newest.Newer = node;
            }

            _newest = node;
        }

        private void Unlink(Node node)
        {
            Bytes -= node.Bytes;
            if (node.Older is null)
            {
                _oldest = node.Newer;
            }
            else
            {
                node.Older.Newer = node.Newer;
            }

            if (node.Newer is null)
            {
                _newest = node.Older;
            }
            else
            {
                node.Newer.Older = node.Older;
            }

            node.Older = node.Newer = null;
        }
    }
}
