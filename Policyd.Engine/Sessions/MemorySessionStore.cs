using System.Buffers;
using System.Numerics;
using Policyd.Plugins.Sessions;

namespace Policyd.Engine.Sessions;

/// <summary>
/// Sessions in the memory of this process, bounded in bytes. They are kept as bytes in an <see cref="ExpiringRing"/>: some hundred thousand
/// objects that live for minutes would outlive the young generation, and every collection would copy them. Several rings with a lock each,
/// so that requests seldom wait for each other; a session is written and read as bytes outside the lock. No timer, no finalizer.
/// </summary>
public sealed class MemorySessionStore : ISessionStore
{
    // A shard must hold many sessions, else an unlucky distribution drops sessions long before the bound is reached.
    private const long MinShardBytes = 1024 * 1024;
    private const int MaxShards = 16;

    // Enough for the instance and some values, so that nearly no session needs a second array of the pool.
    private const int UsualBytes = 1024;

    private readonly Shard[] _shards;
    private readonly int _shardShift;
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
        _maxShardBytes = maxBytes / shards;
        _shardShift = 32 - BitOperations.Log2((uint)shards);
        _shards = new Shard[shards];
        for (var index = 0; index < shards; index++)
        {
            _shards[index] = new Shard(new ExpiringRing(_maxShardBytes));
        }

        _clock = clock;
        _expireTicks = (long)Math.Min(expire.TotalSeconds * clock.TimestampFrequency, long.MaxValue / 2);
    }

    /// <summary>How many sessions there are, expired ones that are not dropped yet included.</summary>
    public int Count => Sum(static ring => ring.Count);

    /// <summary>The memory in use, sessions that were replaced by newer ones and are not dropped yet included.</summary>
    public long Bytes => Sum(static ring => ring.Bytes);

    /// <summary>The memory that is allocated.</summary>
    public long Reserved => Sum(static ring => ring.Reserved);

    /// <inheritdoc/>
    public ValueTask<Session?> LoadAsync(string instance, CancellationToken ct)
    {
        if (instance.Length == 0)
        {
            return default;
        }

        var buffer = BufferWith(instance, out var keyLength);
        try
        {
            var hash = HashOf(instance);
            var shard = ShardOf(hash);
            var now = _clock.GetTimestamp();
            bool found;
            int length;
            lock (shard.Lock)
            {
                found = shard.Ring.TryGet(buffer.AsSpan(0, keyLength), hash, now, ref buffer, out length);
            }

            return new(found ? SessionBinary.Read(buffer.AsSpan(0, length)) : null);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <inheritdoc/>
    public ValueTask StoreAsync(string instance, Session session, CancellationToken ct)
    {
        if (instance.Length == 0)
        {
            return ValueTask.CompletedTask;
        }

        var buffer = BufferWith(instance, out var keyLength);
        try
        {
            var hash = HashOf(instance);
            var shard = ShardOf(hash);
            var length = session.Count == 0 ? 0 : session.WriteBinary(ref buffer, keyLength, _maxShardBytes);
            var key = buffer.AsSpan(0, keyLength);
            var now = _clock.GetTimestamp();
            lock (shard.Lock)
            {
                // Most mails of a plain chain leave nothing behind. What was there before goes, as it does when the session is too large.
                if (length == 0 || length > _maxShardBytes)
                {
                    shard.Ring.Remove(key, hash, now);
                }
                else
                {
                    shard.Ring.Put(key, hash, buffer.AsSpan(keyLength, (int)length - keyLength), now, now + _expireTicks);
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        return ValueTask.CompletedTask;
    }

    private static byte[] BufferWith(string instance, out int length)
    {
        var buffer = ArrayPool<byte>.Shared.Rent((int)Math.Max(UsualBytes, SessionBinary.MaxBytes(instance)));
        length = SessionBinary.Write(instance, buffer);
        return buffer;
    }

    private static int HashOf(string instance) => string.GetHashCode(instance, StringComparison.Ordinal);

    // The upper bits: those that are the same for all of a shard must not be those that its index looks at.
    private Shard ShardOf(int hash) => _shards[(int)((ulong)(uint)hash >> _shardShift)];

    private T Sum<T>(Func<ExpiringRing, T> of) where T : struct, INumber<T>
    {
        var sum = T.Zero;
        foreach (var shard in _shards)
        {
            lock (shard.Lock)
            {
                sum += of(shard.Ring);
            }
        }

        return sum;
    }

    private sealed class Shard(ExpiringRing ring)
    {
        public ExpiringRing Ring { get; } = ring;

        public Lock Lock { get; } = new();
    }
}
