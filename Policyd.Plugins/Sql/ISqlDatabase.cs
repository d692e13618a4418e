using System.Data.Common;

namespace Policyd.Plugins.Sql;

/// <summary>One configured Sql connection (which is a pool). Made once, before the first request; opening it is cheap.</summary>
internal interface ISqlDatabase : IAsyncDisposable
{
    /// <summary>The kind of database.</summary>
    SqlProvider Provider { get; }

    /// <summary>What it connects to, for logs and errors: never with a password.</summary>
    string Description { get; }

    /// <summary>An open connection of the pool; dispose it to give it back.</summary>
    /// <exception cref="DbException">The database cannot be reached.</exception>
    ValueTask<DbConnection> OpenAsync(CancellationToken ct);

    /// <summary>
    /// Does work on a connection of the pool, never in a thread that answers mail; a connection that turns out to be dead is replaced.
    /// </summary>
    /// <param name="work">The work. When its caller has given up, its connection is closed.</param>
    /// <param name="isRepeatable">Whether it may be done twice.</param>
    /// <param name="ct">The caller's deadline.</param>
    /// <exception cref="SqlAwayException">The database cannot be reached, or did not answer in time.</exception>
    /// <exception cref="DbException">The database refuses.</exception>
    Task<T> RunAsync<T>(Func<DbConnection, Task<T>> work, bool isRepeatable, CancellationToken ct);

    /// <summary>A name in the quotes of this database.</summary>
    /// <exception cref="ArgumentException">The name is empty or holds a NUL.</exception>
    string QuoteIdentifier(string name);
}
