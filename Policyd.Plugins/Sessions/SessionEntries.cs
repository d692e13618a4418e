namespace Policyd.Plugins.Sessions;

/// <summary>
/// The values of one session by their keys. Most mails have one or two, and some hundred thousand mails are remembered at
/// once: a few values stand in an array and are searched one after the other; only many get a table.
/// </summary>
internal struct SessionEntries
{
    /// <summary>From more than this on a table is made.</summary>
    public const int Few = 8;

    private KeyValuePair<string, SessionValue>[]? _few;
    private Dictionary<string, SessionValue>? _many;
    private int _count;

    // A snapshot has the same array or table: who writes first makes one of its own.
    private bool _isShared;

    /// <summary>No values yet, and room for as many as are known to come.</summary>
    public SessionEntries(int capacity)
    {
        if (capacity > Few)
        {
            _many = new Dictionary<string, SessionValue>(capacity, StringComparer.Ordinal);
        }
        else if (capacity > 0)
        {
            _few = new KeyValuePair<string, SessionValue>[capacity];
        }
    }

    /// <summary>The values as they are now, which later writes do not change. Costs nothing until one of both is written.</summary>
    public SessionEntries Snapshot()
    {
        if (Count == 0)
        {
            return default;
        }

        _isShared = true;
        return this;
    }

    public readonly int Count => _many?.Count ?? _count;

    public readonly bool TryGet(string key, out SessionValue value)
    {
        if (_many is not null)
        {
            return _many.TryGetValue(key, out value);
        }

        var index = IndexOf(key);
        value = index >= 0 ? _few![index].Value : default;
        return index >= 0;
    }

    /// <summary>Sets a value; true when there was one before.</summary>
    public bool Put(string key, SessionValue value, out SessionValue before)
    {
        Unshare();
        if (_many is null)
        {
            var index = IndexOf(key);
            if (index >= 0)
            {
                before = _few![index].Value;
                _few[index] = new(key, value);
                return true;
            }

            if (_count < Few)
            {
                Append(key, value);
                before = default;
                return false;
            }

            _many = new Dictionary<string, SessionValue>(_few!, StringComparer.Ordinal);
            _few = null;
            _count = 0;
        }

        var replaces = _many.TryGetValue(key, out before);
        _many[key] = value;
        return replaces;
    }

    public bool Remove(string key, out SessionValue removed)
    {
        Unshare();
        if (_many is not null)
        {
            return _many.Remove(key, out removed);
        }

        var index = IndexOf(key);
        if (index < 0)
        {
            removed = default;
            return false;
        }

        removed = _few![index].Value;
        _count--;
        Array.Copy(_few, index + 1, _few, index, _count - index);
        _few[_count] = default;
        return true;
    }

    public readonly string[] Keys()
    {
        var keys = new string[Count];
        var index = 0;
        foreach (var (key, _) in this)
        {
            keys[index++] = key;
        }

        return keys;
    }

    /// <summary>For a loop over all values, which makes no object.</summary>
    public readonly Enumerator GetEnumerator() => new(this);

    /// <summary>The fields that have details beside them; makes nothing when there are none.</summary>
    public readonly List<MailScore>? Scores()
    {
        List<MailScore>? scores = null;
        foreach (var (key, detail) in this)
        {
            TakeScore(key, detail, ref scores);
        }

        return scores;
    }

    private readonly void TakeScore(string key, SessionValue detail, ref List<MailScore>? scores)
    {
        if (!key.EndsWith(MailScore.DetailSuffix, StringComparison.Ordinal)
            || !TryGet(key[..^MailScore.DetailSuffix.Length], out var value))
        {
            return;
        }

        var score = new MailScore(key[..^MailScore.DetailSuffix.Length], value.Text, detail.Text);
        scores ??= new List<MailScore>(1);
        scores.Insert(score.IsDefault ? 0 : scores.Count, score);
    }

    private readonly int IndexOf(string key)
    {
        for (var index = 0; index < _count; index++)
        {
            if (string.Equals(_few![index].Key, key, StringComparison.Ordinal))
            {
                return index;
            }
        }

        return -1;
    }

    private void Unshare()
    {
        if (!_isShared)
        {
            return;
        }

        _isShared = false;
        if (_many is not null)
        {
            _many = new Dictionary<string, SessionValue>(_many, StringComparer.Ordinal);
        }
        else
        {
            _few = [.. _few!];
        }
    }

    private void Append(string key, SessionValue value)
    {
        if (_count == (_few?.Length ?? 0))
        {
            Array.Resize(ref _few, Math.Max(1, _count * 2));
        }

        _few![_count++] = new(key, value);
    }

    /// <summary>Goes over the array or over the table.</summary>
    internal struct Enumerator
    {
        private readonly KeyValuePair<string, SessionValue>[]? _few;
        private readonly int _count;
        private Dictionary<string, SessionValue>.Enumerator _many;
        private int _index;

        public Enumerator(in SessionEntries entries)
        {
            (_few, _count, _index) = (entries._few, entries._count, -1);
            if (entries._many is not null)
            {
                _many = entries._many.GetEnumerator();
                _count = -1;
            }
        }

        public readonly KeyValuePair<string, SessionValue> Current => _count < 0 ? _many.Current : _few![_index];

        public bool MoveNext() => _count < 0 ? _many.MoveNext() : ++_index < _count;
    }
}
