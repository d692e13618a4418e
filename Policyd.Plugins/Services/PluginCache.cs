using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Policyd.Plugins.Api;
using Policyd.Plugins.Caches;
using Policyd.Plugins.Sessions;
using Policyd.Plugins.Sources;

namespace Policyd.Plugins.Services;

/// <summary>
/// A plugin's cache, made by <see cref="CacheServices.Cache"/>. Its values are what the session can hold: text, numbers, enums, tuples,
/// records, and lists and dictionaries of them. Each has a time after which it goes; it may go earlier, when the cache is full or was
/// restarted. A key is text of any length and letters. A value takes at most 1,000,000 bytes, as JSON.
/// <para>
/// <see cref="GetOrAddAsync{T}"/> goes on without a cache that is away. Every other call then throws a <see cref="CacheException"/>: at
/// once while the cache is known to be away, and otherwise at three quarters of the plugin's time at the latest. The connection tells in
/// the log when its server goes away and when it is back.
/// </para>
/// </summary>
public sealed class PluginCache
{
    private const string Prefix = "policyd-plugin";
    private const int LongestKey = 200;

    // memcached takes a time beyond 2038 for one that is over.
    private static readonly TimeSpan s_longestLife = TimeSpan.FromDays(365);

    // A cache has a time-out of its own, about a second, by which it knows that its server is away. A call goes on to that one when its
    // caller has less time: else nobody would ever find out. This is for a cache that has none.
    private static readonly TimeSpan s_longestCall = TimeSpan.FromSeconds(10);

    private readonly string _option;
    private readonly IValueCache _cache;
    private readonly TimeProvider _clock;
    private readonly string _name;
    private readonly SharedCalls _calls = new();

    internal PluginCache(Plugin plugin, string option, string connection, IValueCache cache, TimeProvider clock)
    {
        (_option, Connection, _cache, _clock) = (option, connection, cache, clock);
        _name = NameOf(plugin);
    }

    private enum Origin
    {
        Cache,
        Computed,
        NotKept,
        Away,
    }

    /// <summary>The connection that it is in, for logs and notes.</summary>
    public string Connection { get; }

    /// <summary>The value of a key.</summary>
    /// <typeparam name="T">The type that was set; nullable, to tell nothing from zero.</typeparam>
    /// <param name="context">The request.</param>
    /// <param name="key">The key.</param>
    /// <returns>The value; the default of <typeparamref name="T"/> when there is none, or one of another type.</returns>
    /// <exception cref="CacheException">The cache is away, or does not answer in time.</exception>
    public async ValueTask<T?> GetAsync<T>(PluginContext context, string key)
    {
        var (found, value) = await FindAsync<T>(context, key).ConfigureAwait(false);
        Note(context, key, found ? "found" : "not found");
        return value;
    }

    /// <summary>Sets a value, whatever was there. In a rehearsal nothing is set, which is noted.</summary>
    /// <typeparam name="T">Any type that the session can hold.</typeparam>
    /// <param name="context">The request.</param>
    /// <param name="key">The key.</param>
    /// <param name="value">The value.</param>
    /// <param name="life">The time after which it goes: from a second to a year.</param>
    /// <exception cref="CacheException">The cache is away, does not answer in time, or the value is too large.</exception>
    /// <exception cref="InvalidOperationException">The value would not come back as it is.</exception>
    public async ValueTask SetAsync<T>(PluginContext context, string key, T value, TimeSpan life)
    {
        var bytes = BytesOf(key, value);
        if (!IsRehearsed(context, $"set {key} in the cache {Connection}"))
        {
            await AskForAsync(context, new Setting(NameOf(key), bytes, Checked(life)), static async (cache, set, ct) =>
            {
                await cache.SetAsync(set.Key, set.Value, set.Life, ct).ConfigureAwait(false);
                return true;
            }).ConfigureAwait(false);
            Note(context, key, "set");
        }
    }

    /// <summary>
    /// Sets a value where there is none, which only one of many callers does, on all servers. In a rehearsal nothing is set, which is
    /// noted; it only looks.
    /// </summary>
    /// <typeparam name="T">Any type that the session can hold.</typeparam>
    /// <param name="context">The request.</param>
    /// <param name="key">The key.</param>
    /// <param name="value">The value.</param>
    /// <param name="life">The time after which it goes: from a second to a year.</param>
    /// <returns>Whether there was none.</returns>
    /// <exception cref="CacheException">The cache is away, does not answer in time, or the value is too large.</exception>
    /// <exception cref="InvalidOperationException">The value would not come back as it is.</exception>
    public async ValueTask<bool> AddAsync<T>(PluginContext context, string key, T value, TimeSpan life)
    {
        var bytes = BytesOf(key, value);
        var set = new Setting(NameOf(key), bytes, Checked(life));
        var isNew = IsRehearsed(context, $"added {key} to the cache {Connection}")
            ? await AskForAsync(context, set.Key, static (cache, name, ct) => cache.GetAsync(name, ct)).ConfigureAwait(false) is null
            : await AskForAsync(context, set, static (cache, set, ct) => cache.AddAsync(set.Key, set.Value, set.Life, ct))
                .ConfigureAwait(false);
        Note(context, key, isNew ? "not found" : "found");
        return isNew;
    }

    /// <summary>Forgets a key. In a rehearsal it stays, which is noted.</summary>
    /// <param name="context">The request.</param>
    /// <param name="key">The key.</param>
    /// <exception cref="CacheException">The cache is away, or does not answer in time.</exception>
    public async ValueTask RemoveAsync(PluginContext context, string key)
    {
        if (!IsRehearsed(context, $"removed {key} from the cache {Connection}"))
        {
            var isThere = await AskForAsync(context, NameOf(key), static (cache, name, ct) => cache.DeleteAsync(name, ct))
                .ConfigureAwait(false);
            Note(context, key, isThere ? "removed" : "not found");
        }
    }

    /// <summary>
    /// The value of a key, or else what is computed now and then kept. Requests that want the same key at the same time wait for one
    /// computation. One that is given up does not end it for the others, and what fails for one is tried once more for the others. A cache
    /// that is away, or does not answer within a quarter of the plugin's time, is gone round: the value is then computed, once for the
    /// requests of one moment. What fails is not kept.
    /// <para>
    /// A rehearsal computes and keeps as well: what is kept is what anybody would compute. So what <paramref name="compute"/> does must be
    /// a question, not a side effect.
    /// </para>
    /// </summary>
    /// <typeparam name="T">Any type that the session can hold; null is a value, too.</typeparam>
    /// <param name="context">The request.</param>
    /// <param name="key">The key: all that the value depends on.</param>
    /// <param name="life">The time after which the value goes: from a second to a year.</param>
    /// <param name="compute">Computes the value. It may go on for other requests when this one is over, so it reads what it needs of the
    /// request before it is called. Its token is cancelled when nobody waits for it any more.</param>
    /// <exception cref="InvalidOperationException">The value would not come back as it is.</exception>
    public async ValueTask<T> GetOrAddAsync<T>(
        PluginContext context, string key, TimeSpan life, Func<CancellationToken, ValueTask<T>> compute)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(compute);
        var (name, time, part) = (NameOf(key), Checked(life), context.Remaining / 4);
        var (value, origin) = await _calls.RunAsync(
            name,
            async stop =>
            {
                var isAway = false;
                try
                {
                    if (await FindInCacheAsync<T>(name, part).ConfigureAwait(false) is (true, var kept))
                    {
                        return (kept!, Origin.Cache);
                    }
                }
                catch (CacheException)
                {
                    isAway = true;
                }

                var computed = await compute(stop).ConfigureAwait(false);
                var bytes = BytesOf(key, computed);
                return (computed, isAway ? Origin.Away : await KeepAsync(new Setting(name, bytes, time), part).ConfigureAwait(false));
            },
            context.Cancellation).ConfigureAwait(false);
        Note(context, key, origin switch
        {
            Origin.Cache => "found",
            Origin.Computed => "not found, so computed",
            Origin.Away => "the cache is away, so computed",
            _ => "computed, but not kept",
        });
        return value;
    }

    /// <summary>The value of a key, in a cron task.</summary>
    /// <typeparam name="T">The type that was set.</typeparam>
    /// <param name="cron">The tick.</param>
    /// <param name="key">The key.</param>
    /// <returns>The value; the default of <typeparamref name="T"/> when there is none, or one of another type.</returns>
    /// <exception cref="CacheException">The cache is away, or does not answer within 10 s.</exception>
    public async ValueTask<T?> GetAsync<T>(CronContext cron, string key)
    {
        ArgumentNullException.ThrowIfNull(cron);
        return (await FindInCacheAsync<T>(NameOf(key), s_longestCall).ConfigureAwait(false)).Value;
    }

    /// <summary>Sets a value, whatever was there, in a cron task.</summary>
    /// <typeparam name="T">Any type that the session can hold.</typeparam>
    /// <param name="cron">The tick.</param>
    /// <param name="key">The key.</param>
    /// <param name="value">The value.</param>
    /// <param name="life">The time after which it goes: from a second to a year.</param>
    /// <exception cref="CacheException">The cache is away, does not answer within 10 s, or the value is too large.</exception>
    /// <exception cref="InvalidOperationException">The value would not come back as it is.</exception>
    public async ValueTask SetAsync<T>(CronContext cron, string key, T value, TimeSpan life)
    {
        ArgumentNullException.ThrowIfNull(cron);
        await SetInCacheAsync(new Setting(NameOf(key), BytesOf(key, value), Checked(life)), s_longestCall).ConfigureAwait(false);
    }

    /// <summary>
    /// What stands before each key: no other module begins its keys so, and neither name can reach into what follows it. The module's name
    /// is that of the class, since a configuration may write it in other letters.
    /// </summary>
    internal static string NameOf(Plugin plugin) =>
        $"{Uri.EscapeDataString(plugin.Module)}:{Uri.EscapeDataString(plugin.Name)}";

    // A long key is its hash, under a name of its own: else who knows the hash of another's key could write it as his own.
    private string NameOf(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return key.Length <= LongestKey
            ? $"{Prefix}:{_name}:{key}"
            : $"{Prefix}-sha256:{_name}:{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)))}";
    }

    private static byte[] BytesOf<T>(string key, T value) => Encoding.UTF8.GetBytes(SessionJson.Write(key, value, "the cache"));

    private static TimeSpan Checked(TimeSpan life)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(life, TimeSpan.Zero);
        return life > s_longestLife ? s_longestLife : life;
    }

    private static bool IsRehearsed(PluginContext context, string what)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (context.IsRehearsal)
        {
            context.WouldHave(what);
        }

        return context.IsRehearsal;
    }

    // One of another type is that of an earlier version of the plugin.
    private static (bool Found, T? Value) Read<T>(byte[]? bytes)
    {
        try
        {
            return bytes is null ? (false, default) : (true, SessionJson.Read<T>(Encoding.UTF8.GetString(bytes)));
        }
        catch (JsonException)
        {
            return (false, default);
        }
    }

    private async ValueTask<(bool Found, T? Value)> FindAsync<T>(PluginContext context, string key) => Read<T>(
        await AskForAsync(context, NameOf(key), static (cache, name, ct) => cache.GetAsync(name, ct)).ConfigureAwait(false));

    private async ValueTask<(bool Found, T? Value)> FindInCacheAsync<T>(string name, TimeSpan most) => Read<T>(
        await AskAsync(name, static (cache, name, ct) => cache.GetAsync(name, ct), most).ConfigureAwait(false));

    private ValueTask<bool> SetInCacheAsync(Setting set, TimeSpan most) => AskAsync(
        set,
        static async (cache, set, ct) =>
        {
            await cache.SetAsync(set.Key, set.Value, set.Life, ct).ConfigureAwait(false);
            return true;
        },
        most);

    private async ValueTask<Origin> KeepAsync(Setting set, TimeSpan most)
    {
        try
        {
            await SetInCacheAsync(set, most).ConfigureAwait(false);
            return Origin.Computed;
        }
        catch (CacheException)
        {
            return Origin.NotKept;
        }
    }

    private ValueTask<TResult> AskForAsync<TWhat, TResult>(
        PluginContext context, TWhat what, Func<IValueCache, TWhat, CancellationToken, ValueTask<TResult>> ask)
    {
        ArgumentNullException.ThrowIfNull(context);
        return AskAsync(what, ask, SourceTime.Of(context.Remaining, TimeSpan.MaxValue));
    }

    private async ValueTask<TResult> AskAsync<TWhat, TResult>(
        TWhat what, Func<IValueCache, TWhat, CancellationToken, ValueTask<TResult>> ask, TimeSpan most)
    {
        if (_cache is MemoryValueCache)
        {
            return await ask(_cache, what, CancellationToken.None).ConfigureAwait(false);
        }

        var asking = LimitedAsync(what, ask);
        if (asking.IsCompleted)
        {
            return await asking.ConfigureAwait(false);
        }

        using var timeout = TimeoutToken.For(most, _clock);
        try
        {
            return await asking.WaitAsync(timeout.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (timeout.Token.IsCancellationRequested)
        {
            asking.Abandon();
            throw TimedOut(most, e);
        }
    }

    private async Task<TResult> LimitedAsync<TWhat, TResult>(
        TWhat what, Func<IValueCache, TWhat, CancellationToken, ValueTask<TResult>> ask)
    {
        using var limit = TimeoutToken.For(s_longestCall, _clock);
        try
        {
            return await ask(_cache, what, limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (limit.Token.IsCancellationRequested)
        {
            throw TimedOut(s_longestCall, e);
        }
    }

    private CacheException TimedOut(TimeSpan time, Exception cause) => new($"connection {Connection}: {Waited.TimedOut(time)}", cause);

    private void Note(PluginContext context, string key, string result)
    {
        if (context.TakesNotes)
        {
            context.Note(_option, key, Connection, result);
        }
    }

    private sealed record Setting(string Key, byte[] Value, TimeSpan Life);
}
