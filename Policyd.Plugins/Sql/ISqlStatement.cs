using System.Data.Common;

namespace Policyd.Plugins.Sql;

/// <summary>A statement that an operator has written, on the database of one connection.</summary>
internal interface ISqlStatement
{
    /// <summary>The number of its placeholders.</summary>
    int ParameterCount { get; }

    /// <summary>The database, for logs and errors: never with a password.</summary>
    string Database { get; }

    /// <summary>
    /// The first column of the first row as text. Null when there is no row, when the column is NULL, and for a value that the column
    /// cannot hold.
    /// </summary>
    /// <exception cref="SqlAwayException">The database cannot be reached, or did not answer in time.</exception>
    /// <exception cref="DbException">The database refuses.</exception>
    /// <exception cref="InvalidDataException">The column holds more than the settings of a user need.</exception>
    ValueTask<string?> FirstTextAsync(string value, CancellationToken ct);

    /// <summary>Whether there is a row, whatever it holds. False for a value that the column cannot hold.</summary>
    /// <exception cref="SqlAwayException">The database cannot be reached, or did not answer in time.</exception>
    /// <exception cref="DbException">The database refuses.</exception>
    ValueTask<bool> HasRowAsync(string value, CancellationToken ct);
}
