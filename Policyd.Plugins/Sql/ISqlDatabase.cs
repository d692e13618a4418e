using System.Data.Common;

namespace Policyd.Plugins.Sql;

/// <summary>One configured Sql connection (which is a pool). Made once, before the first request; opening it is cheap.</summary>
public interface ISqlDatabase : IAsyncDisposable
{
    /// <summary>The kind of database.</summary>
    SqlProvider Provider { get; }

    /// <summary>What it connects to, for logs and errors: never with a password.</summary>
    string Description { get; }

    /// <summary>An open connection of the pool; dispose it to give it back.</summary>
    /// <exception cref="DbException">The database cannot be reached.</exception>
    ValueTask<DbConnection> OpenAsync(CancellationToken ct);

    /// <summary>A name in the quotes of this database.</summary>
    /// <exception cref="ArgumentException">The name is empty or holds a NUL.</exception>
    string QuoteIdentifier(string name);
}
