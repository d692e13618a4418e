using System.Data.Common;
using System.Text;

namespace Policyd.Plugins.Sql;

/// <summary>
/// A query of a configuration file with <c>?</c> placeholders, as DBI knows them, made ready for one database. Placeholders inside
/// strings, quoted names and comments are left alone; <c>\?</c> is a question mark (an operator of PostgreSQL), as DBD::Pg has it.
/// </summary>
public sealed class SqlQuery
{
    private SqlQuery(string text, int parameterCount)
    {
        Text = text;
        ParameterCount = parameterCount;
    }

    /// <summary>The query with the placeholders named <c>@p1</c>, <c>@p2</c>, …</summary>
    public string Text { get; }

    /// <summary>The number of placeholders.</summary>
    public int ParameterCount { get; }

    /// <summary>Finds the placeholders of a query.</summary>
    public static SqlQuery Parse(string sql, SqlProvider provider)
    {
        ArgumentNullException.ThrowIfNull(sql);
        var text = new StringBuilder(sql.Length + 8);
        var count = 0;
        for (var i = 0; i < sql.Length;)
        {
            if (sql[i] == '?')
            {
                text.Append("@p").Append(++count);
                i++;
            }
            else if (sql[i] == '\\' && i + 1 < sql.Length && sql[i + 1] == '?')
            {
                text.Append('?');
                i += 2;
            }
            else
            {
                var end = SqlText.EndOfToken(sql, i, provider);
                text.Append(sql, i, end - i);
                i = end;
            }
        }

        return new SqlQuery(text.ToString(), count);
    }

    /// <summary>A command with the values bound in the order of the placeholders.</summary>
    /// <exception cref="ArgumentException">The number of values is not <see cref="ParameterCount"/>.</exception>
    public DbCommand CreateCommand(DbConnection connection, params ReadOnlySpan<object?> values)
    {
        ArgumentNullException.ThrowIfNull(connection);
        if (values.Length != ParameterCount)
        {
            throw new ArgumentException($"the query has {ParameterCount} placeholders, {values.Length} values were given", nameof(values));
        }

        var command = connection.CreateCommand();
        command.CommandText = Text;
        for (var i = 0; i < values.Length; i++)
        {
            command.Bind("@p" + (i + 1), values[i]);
        }

        return command;
    }
}
