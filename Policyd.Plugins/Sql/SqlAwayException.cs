using System.Data.Common;

namespace Policyd.Plugins.Sql;

/// <summary>
/// The database cannot be reached, does not answer in time, or is known not to. What was asked of it may come to pass all the same.
/// </summary>
public sealed class SqlAwayException : DbException
{
    /// <summary>Nothing is known.</summary>
    public SqlAwayException()
    {
    }

    /// <summary>Why.</summary>
    /// <param name="message">For operators, without secrets.</param>
    public SqlAwayException(string message)
        : base(message)
    {
    }

    /// <summary>Why.</summary>
    /// <param name="message">For operators, without secrets.</param>
    /// <param name="innerException">What the driver said.</param>
    public SqlAwayException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
