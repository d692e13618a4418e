using System.Text.Json;

namespace Policyd.Plugins.Sessions;

/// <summary>
/// What plugins know of a mail, from its first request to its last: a map of text to values. Every call holds a lock for a
/// moment, so that a plugin that was given up and runs on cannot tear what the chain goes on with (<see cref="Detach"/>). The
/// lock is the session itself: a lock object for each of some hundred thousand sessions would be one more for every collection to move.
/// </summary>
public sealed partial class Session
{
    /// <summary>What an entry costs beside its characters: its two strings' headers and its slot, in bytes.</summary>
    public const int EntryOverhead = 96;

    private SessionEntries _entries;
    private long _bytes;

    /// <summary>Makes an empty session.</summary>
    public Session()
    {
    }

    /// <summary>Makes an empty session with room for as many values as are known to come.</summary>
    internal Session(int capacity) => _entries = new SessionEntries(capacity);

    /// <summary>The memory of the entries in bytes: two for each character and <see cref="EntryOverhead"/> for each entry.</summary>
    public long Bytes
    {
        get
        {
            lock (this)
            {
                return _bytes;
            }
        }
    }

    /// <summary>Whether a store of another server holds something for this session's instance, which an empty one has to replace.</summary>
    internal bool IsStored { get; set; }

    /// <summary>How many values there are.</summary>
    public int Count
    {
        get
        {
            lock (this)
            {
                return _entries.Count;
            }
        }
    }

    /// <summary>The keys, as of now.</summary>
    public IReadOnlyList<string> Keys
    {
        get
        {
            lock (this)
            {
                return _entries.Keys();
            }
        }
    }

    /// <summary>The scores with their details, that of the default field first; null when nothing has scored.</summary>
    public IReadOnlyList<MailScore>? Scores
    {
        get
        {
            lock (this)
            {
                return _entries.Scores();
            }
        }
    }

    /// <summary>The value as text (JSON text of a value that is no text); null when absent. Setting null removes it.</summary>
    /// <param name="key">The key.</param>
    public string? this[string key]
    {
        get
        {
            lock (this)
            {
                return _entries.TryGet(key, out var value) ? value.Text : null;
            }
        }

        set
        {
            ArgumentNullException.ThrowIfNull(key);
            if (value is null)
            {
                Remove(key);
            }
            else
            {
                Put(key, new SessionValue(value, false));
            }
        }
    }

    /// <summary>Whether the key is there.</summary>
    /// <param name="key">The key.</param>
    public bool Has(string key)
    {
        lock (this)
        {
            return _entries.TryGet(key, out _);
        }
    }

    /// <summary>Sets a flag.</summary>
    /// <param name="key">The key.</param>
    /// <returns>Whether it was not there before.</returns>
    public bool TrySet(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        lock (this)
        {
            if (_entries.TryGet(key, out _))
            {
                return false;
            }

            PutLocked(key, new SessionValue("1", true));
            return true;
        }
    }

    /// <summary>Reads a value that <see cref="Set{T}"/> wrote.</summary>
    /// <typeparam name="T">Any type that JSON can hold.</typeparam>
    /// <param name="key">The key.</param>
    /// <param name="value">The value.</param>
    /// <returns>False when the key is absent or its value does not fit.</returns>
    public bool TryGet<T>(string key, out T? value)
    {
        value = default;
        SessionValue found;
        lock (this)
        {
            if (!_entries.TryGet(key, out found))
            {
                return false;
            }
        }

        if (typeof(T) == typeof(string))
        {
            value = found.IsJson && found.Text == "null" ? default : (T)(object)found.Text;
            return true;
        }

        try
        {
            value = SessionJson.Read<T>(found.IsJson ? found.Text : SessionJson.Quote(found.Text));
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    /// <summary>Writes a value: text as it is, anything else as JSON.</summary>
    /// <typeparam name="T">Any type that JSON can hold.</typeparam>
    /// <param name="key">The key.</param>
    /// <param name="value">The value.</param>
    /// <exception cref="InvalidOperationException">It would not come back as it is: a type that JSON does not hold, or holds in
    /// part.</exception>
    public void Set<T>(string key, T value)
    {
        ArgumentNullException.ThrowIfNull(key);
        if (value is string text)
        {
            Put(key, new SessionValue(text, false));
        }
        else
        {
            Put(key, new SessionValue(SessionJson.Write(key, value), true));
        }
    }

    /// <summary>Removes a value.</summary>
    /// <param name="key">The key.</param>
    /// <returns>Whether it was there.</returns>
    public bool Remove(string key)
    {
        lock (this)
        {
            if (!_entries.Remove(key, out var removed))
            {
                return false;
            }

            _bytes -= Cost(key, removed);
            return true;
        }
    }

    /// <summary>Removes every value.</summary>
    public void Clear()
    {
        lock (this)
        {
            _entries = default;
            _bytes = 0;
        }
    }

    /// <summary>
    /// Moves everything into a new session. This one is left empty: whoever still holds it, such as a plugin that was given up,
    /// reads nothing and writes to nowhere.
    /// </summary>
    public Session Detach()
    {
        var live = new Session { IsStored = IsStored };
        lock (this)
        {
            (live._entries, live._bytes) = (_entries, _bytes);
            _entries = default;
            _bytes = 0;
        }

        return live;
    }

    /// <summary>Sets every member of a JSON object as a value: what a user-config module does with what it read.</summary>
    /// <param name="json">The object.</param>
    /// <exception cref="JsonException">It is no object.</exception>
    public void Merge(JsonElement json)
    {
        if (json.ValueKind != JsonValueKind.Object)
        {
            throw new JsonException("a session must be a JSON object");
        }

        foreach (var member in json.EnumerateObject())
        {
            Put(member.Name, member.Value.ValueKind == JsonValueKind.String
                ? new SessionValue(member.Value.GetString()!, false)
                : new SessionValue(member.Value.GetRawText(), true));
        }
    }

    /// <summary>The values as they are now, for <see cref="Restored"/>.</summary>
    internal SessionEntries Snapshot()
    {
        lock (this)
        {
            return _entries.Snapshot();
        }
    }

    /// <summary>A session with the values of a snapshot in place of this one's.</summary>
    internal Session Restored(SessionEntries snapshot)
    {
        var restored = new Session { IsStored = IsStored, _entries = snapshot };
        foreach (var (key, value) in snapshot)
        {
            restored._bytes += Cost(key, value);
        }

        return restored;
    }

    private static long Cost(string key, SessionValue value) => EntryOverhead + 2L * (key.Length + value.Text.Length);

    internal void Put(string key, SessionValue value)
    {
        lock (this)
        {
            PutLocked(key, value);
        }
    }

    private void PutLocked(string key, SessionValue value)
    {
        if (_entries.Put(key, value, out var old))
        {
            _bytes -= Cost(key, old);
        }

        _bytes += Cost(key, value);
    }
}
