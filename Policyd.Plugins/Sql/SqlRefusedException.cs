using System.Data.Common;

namespace Policyd.Plugins.Sql;

/// <summary>The database was asked, and refuses: the statement is wrong, a value does not fit, a right is missing.</summary>
public sealed class SqlRefusedException : DbException
{
    /// <summary>Nothing is known.</summary>
    public SqlRefusedException()
    {
    }

    /// <summary>Why.</summary>
    /// <param name="message">For operators, without secrets.</param>
    public SqlRefusedException(string message)
        : base(message)
    {
    }

    /// <summary>Why.</summary>
    /// <param name="message">For operators, without secrets.</param>
    /// <param name="innerException">What the driver said.</param>
    public SqlRefusedException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
