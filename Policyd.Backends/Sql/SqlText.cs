using System.Data.Common;
using Policyd.Plugins.Sql;

namespace Policyd.Backends.Sql;

/// <summary>The little that must be known of each database's lexical rules to find placeholders, and binding in one line.</summary>
internal static class SqlText
{
    /// <summary>Where the string, quoted name, comment or single character that begins at a place ends.</summary>
    public static int EndOfToken(string sql, int start, SqlProvider provider)
    {
        var next = start + 1 < sql.Length ? sql[start + 1] : '\0';
        switch (sql[start])
        {
            case '\'':
                var escapes = provider == SqlProvider.MySQL || (provider == SqlProvider.PostgreSQL && IsEscapeString(sql, start));
                return EndOfQuoted(sql, start, '\'', escapes);
            case '"':
                return EndOfQuoted(sql, start, '"', provider == SqlProvider.MySQL);
            case '`' when provider != SqlProvider.PostgreSQL:
                return EndOfQuoted(sql, start, '`', false);
            case '[' when provider == SqlProvider.SQLite:
                return After(sql, "]", start + 1);
            case '-' when next == '-' && (provider != SqlProvider.MySQL || start + 2 >= sql.Length || sql[start + 2] <= ' '):
            case '#' when provider == SqlProvider.MySQL:
                return After(sql, "\n", start);
            case '/' when next == '*':
                return provider == SqlProvider.PostgreSQL ? EndOfNestedComment(sql, start) : After(sql, "*/", start + 2);
            case '$' when provider == SqlProvider.PostgreSQL && (start == 0 || !IsWord(sql[start - 1])):
                return EndOfDollarQuoted(sql, start);
            default:
                return start + 1;
        }
    }

    /// <summary>A command with its values bound.</summary>
    /// <param name="connection">Where it runs.</param>
    /// <param name="text">The statement.</param>
    /// <param name="values">The values, by their names in the statement.</param>
    public static DbCommand Command(
        this DbConnection connection, string text, params ReadOnlySpan<(string Name, object? Value)> values)
    {
        ArgumentNullException.ThrowIfNull(connection);
        var command = connection.CreateCommand();
        command.CommandText = text;
        foreach (var (name, value) in values)
        {
            command.Bind(name, value);
        }

        return command;
    }

    public static DbParameter Bind(this DbCommand command, string name, object? value)
    {
        var parameter = command.CreateParameter();
        parameter.ParameterName = name;
        parameter.Value = value ?? DBNull.Value;
        command.Parameters.Add(parameter);
        return parameter;
    }

    private static bool IsEscapeString(string sql, int quote) =>
        quote > 0 && sql[quote - 1] is 'e' or 'E' && (quote == 1 || !IsWord(sql[quote - 2]));

    public static bool IsWord(char c) => char.IsLetterOrDigit(c) || c == '_';

    // A doubled quote ends one quoted part and begins the next, which comes to the same.
    private static int EndOfQuoted(string sql, int start, char quote, bool backslash)
    {
        for (var i = start + 1; i < sql.Length; i++)
        {
            if (backslash && sql[i] == '\\')
            {
                i++;
            }
            else if (sql[i] == quote)
            {
                return i + 1;
            }
        }

        return sql.Length;
    }

    private static int EndOfNestedComment(string sql, int start)
    {
        var depth = 0;
        for (var i = start; i + 1 < sql.Length; i++)
        {
            if (sql[i] == '/' && sql[i + 1] == '*')
            {
                depth++;
                i++;
            }
            else if (sql[i] == '*' && sql[i + 1] == '/')
            {
                i++;
                if (--depth == 0)
                {
                    return i + 1;
                }
            }
        }

        return sql.Length;
    }

    private static int EndOfDollarQuoted(string sql, int start)
    {
        var i = start + 1;
        while (i < sql.Length && IsWord(sql[i]))
        {
            i++;
        }

        var isTag = i < sql.Length && sql[i] == '$' && (i == start + 1 || !char.IsAsciiDigit(sql[start + 1]));
        return isTag ? After(sql, sql[start..(i + 1)], i + 1) : start + 1;
    }

    private static int After(string sql, string mark, int from)
    {
        var at = sql.IndexOf(mark, Math.Min(from, sql.Length), StringComparison.Ordinal);
        return at < 0 ? sql.Length : at + mark.Length;
    }
}
