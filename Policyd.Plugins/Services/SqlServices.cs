using System.Globalization;
using Policyd.Plugins.Api;

namespace Policyd.Plugins.Services;

/// <summary>How a plugin gets at SQL, in <see cref="Plugin.Initialize"/>.</summary>
public static class SqlServices
{
    /// <summary>
    /// Makes a statement ready. An error at its option's place when the number of its placeholders is another one, and when there is no
    /// such connection; <c>policyd check</c> has the database prepare it.
    /// </summary>
    /// <param name="setup">The plugin's.</param>
    /// <param name="option">The option that the statement is of.</param>
    /// <param name="sql">The statement, with a <c>?</c> for each value.</param>
    /// <param name="values">How many values each call binds.</param>
    /// <param name="connection">The name of the SQL connection.</param>
    /// <param name="connectionOption">The option that names the connection.</param>
    /// <returns>The statement; null after an error, with which the server does not start.</returns>
    public static SqlLookup? Query(
        this PluginSetup setup, string option, string sql, int values, string connection, string connectionOption = "db")
    {
        ArgumentNullException.ThrowIfNull(setup);
        if (setup.Statement(option, connectionOption, connection, sql) is not { } statement)
        {
            return null;
        }

        if (statement.ParameterCount == values)
        {
            return new SqlLookup(setup.Plugin, option, statement);
        }

        setup.Error(option, string.Create(
            CultureInfo.InvariantCulture,
            $"the query has {statement.ParameterCount} placeholders (?), but needs exactly {(values == 1 ? "one" : values)}"));
        return null;
    }

    /// <summary>The database of a SQL connection; null, and an error at the option's place, when there is none of that name.</summary>
    /// <param name="setup">The plugin's.</param>
    /// <param name="option">The option that names the connection.</param>
    /// <param name="connection">The connection's name.</param>
    public static PluginDatabase? Database(this PluginSetup setup, string option, string connection)
    {
        ArgumentNullException.ThrowIfNull(setup);
        return setup.SqlDatabase(option, connection) is { } database ? new PluginDatabase(setup.Plugin, database) : null;
    }
}
