// Which counter tables a configuration uses: what the server prepares at its start, and how a Quota knows whether anybody counts.
using System.Collections.Concurrent;

namespace Policyd.Plugins.Counters;

/// <summary>That a plugin uses a counter table.</summary>
/// <param name="Connection">The name of the SQL connection.</param>
/// <param name="Table">The table.</param>
/// <param name="Writes">Whether it counts there, or only reads.</param>
public sealed record CounterTableUse(string Connection, string Table, bool Writes);

/// <summary>A plugin that counts.</summary>
/// <param name="Name">Its name.</param>
/// <param name="DoneKey">The session's key that tells that it has counted the mail.</param>
public sealed record CountingPlugin(string Name, string DoneKey);

/// <summary>A counter table as its plugins share it.</summary>
public sealed class CounterTable
{
    private bool _isWritten;
    private volatile CountingPlugin[] _accountings = [];
    private volatile CounterWindowKind[] _windows = [];
    private volatile WindowRetention[] _retentions = [];

    internal CounterTable(string connection, string table)
    {
        Connection = connection;
        Table = table;
    }

    /// <summary>The name of the SQL connection.</summary>
    public string Connection { get; }

    /// <summary>The table.</summary>
    public string Table { get; }

    /// <summary>
    /// Whether a plugin of any chain counts there. Right from the first request on, not yet while plugins are initialized.
    /// </summary>
    public bool IsWritten => Volatile.Read(ref _isWritten);

    /// <summary>The counter of a value.</summary>
    /// <param name="value">The attribute's value, as it came.</param>
    public CounterKey this[string value] => new(Connection, Table, value);

    /// <summary>The plugins that count mails there and have said so by <see cref="AddAccounting"/>.</summary>
    /// <remarks>A span, since every request of a Quota goes through it.</remarks>
    public ReadOnlySpan<CountingPlugin> Accountings => _accountings;

    /// <summary>The kinds of windows that plugins count in, each once; empty where plugins only read.</summary>
    internal IReadOnlyList<CounterWindowKind> Windows => _windows;

    /// <summary>How long rows are kept. A row goes when one of them lets it go.</summary>
    internal IReadOnlyList<WindowRetention> Retentions => _retentions;

    /// <summary>A plugin counts there by such windows. To be called while plugins are initialized.</summary>
    /// <param name="window">The kind of window.</param>
    /// <param name="retention">How long rows are kept; null: the plugin lets none go.</param>
    public void Counts(CounterWindowKind window, WindowRetention? retention)
    {
        if (!_windows.Contains(window))
        {
            _windows = [.. _windows, window];
        }

        if (retention is not null)
        {
            _retentions = [.. _retentions, retention];
        }
    }

    /// <summary>
    /// A plugin counts each mail there once, under a request id of its name (<see cref="CountedRequest.IdOf"/>). So a Quota knows which
    /// mail is counted already. To be called while plugins are initialized.
    /// </summary>
    /// <param name="accounting">The plugin.</param>
    public void AddAccounting(CountingPlugin accounting)
    {
        if (!_accountings.Contains(accounting))
        {
            _accountings = [.. _accountings, accounting];
        }
    }

    internal void Write() => Volatile.Write(ref _isWritten, true);
}

// All tables of a model. Filled by plugins while they are initialized; a table that a user's configuration names comes later, is read
// at most, and is no use of the configuration's own.
internal sealed class CounterTableSet
{
    private readonly ConcurrentDictionary<(string Connection, string Table), CounterTable> _tables = new();
    private readonly List<CounterTableUse> _uses = [];

    public IReadOnlyList<CounterTableUse> Uses => _uses;

    /// <summary>The tables of a connection that plugins count in.</summary>
    public IReadOnlyList<CounterTable> Counted(string connection) =>
        [.. _tables.Values.Where(table => table.Connection == connection && table.Windows.Count > 0).OrderBy(table => table.Table)];

    public CounterTable Use(string connection, string table, bool writes)
    {
        var use = new CounterTableUse(connection, table, writes);
        if (!_uses.Contains(use))
        {
            _uses.Add(use);
        }

        var found = Find(connection, table);
        if (writes)
        {
            found.Write();
        }

        return found;
    }

    public CounterTable Find(string connection, string table) =>
        _tables.GetOrAdd((connection, table), static key => new CounterTable(key.Connection, key.Table));
}
