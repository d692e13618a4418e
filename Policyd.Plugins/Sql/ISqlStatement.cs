using System.Data.Common;

namespace Policyd.Plugins.Sql;

/// <summary>A statement that an operator or a plugin has written, on the database of one connection. Its values are bound.</summary>
internal interface ISqlStatement
{
    /// <summary>The number of its placeholders, and of the values that each call takes.</summary>
    int ParameterCount { get; }

    /// <summary>The database, for logs and errors: never with a password.</summary>
    string Database { get; }

    /// <summary>Whether there is a row, whatever it holds. False for a value that the column cannot hold.</summary>
    /// <exception cref="SqlAwayException">The database cannot be reached, or did not answer in time.</exception>
    /// <exception cref="DbException">The database refuses.</exception>
    Task<bool> HasRowAsync(object?[] values, CancellationToken ct);

    /// <summary>The first rows, and of each the first columns. None for a value that the column cannot hold.</summary>
    /// <exception cref="SqlAwayException">The database cannot be reached, or did not answer in time.</exception>
    /// <exception cref="DbException">The database refuses.</exception>
    /// <exception cref="InvalidDataException">The rows hold more than <see cref="SqlRow.MostCharacters"/>.</exception>
    Task<IReadOnlyList<SqlRow>> RowsAsync(object?[] values, int mostRows, int mostColumns, CancellationToken ct);

    /// <summary>Runs a statement that changes something. It is not run twice, unless the database has said that it did nothing.</summary>
    /// <returns>The number of rows that it has changed.</returns>
    /// <exception cref="SqlAwayException">The database cannot be reached, or did not answer in time.</exception>
    /// <exception cref="DbException">The database refuses.</exception>
    Task<int> ExecuteAsync(object?[] values, CancellationToken ct);
}
