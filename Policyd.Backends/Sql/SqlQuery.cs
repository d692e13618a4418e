using System.Data.Common;
using System.Globalization;
using System.Text;
using Npgsql;
using NpgsqlTypes;
using Policyd.Plugins.Sql;

namespace Policyd.Backends.Sql;

/// <summary>
/// A query of a configuration file with <c>?</c> placeholders, as DBI knows them, made ready for one database. Placeholders inside
/// strings, quoted names and comments are left alone. <c>\?</c> is a question mark (an operator of PostgreSQL), as DBD::Pg has it, and so
/// is <c>??</c>
/// there. The numbered ones that the databases have themselves, <c>$1</c> of PostgreSQL and <c>?1</c> of SQLite, are placeholders too.
/// </summary>
public sealed class SqlQuery
{
    private readonly SqlProvider _provider;

    private SqlQuery(string text, int parameterCount, SqlProvider provider)
    {
        Text = text;
        ParameterCount = parameterCount;
        _provider = provider;
    }

    /// <summary>
    /// The query with the placeholders named <c>@p1</c>, <c>@p2</c>, …; in PostgreSQL's own form <c>$1</c>, <c>$2</c>, …, which its driver
    /// sends as it is.
    /// </summary>
    public string Text { get; }

    /// <summary>The number of placeholders.</summary>
    public int ParameterCount { get; }

    /// <summary>Finds the placeholders of a query.</summary>
    public static SqlQuery Parse(string sql, SqlProvider provider)
    {
        ArgumentNullException.ThrowIfNull(sql);
        var text = new StringBuilder(sql.Length + 8);
        var mark = provider == SqlProvider.PostgreSQL ? "$" : "@p";
        var count = 0;
        for (var i = 0; i < sql.Length;)
        {
            if (provider == SqlProvider.PostgreSQL && sql.AsSpan(i).StartsWith("??"))
            {
                text.Append('?');
                i += 2;
            }
            else if (sql[i] == '\\' && i + 1 < sql.Length && sql[i + 1] == '?')
            {
                text.Append('?');
                i += 2;
            }
            else if (IsPlaceholder(sql, i, provider))
            {
                var end = provider == SqlProvider.MySQL ? i + 1 : EndOfNumber(sql, i + 1);
                var number = end == i + 1
                    ? count + 1
                    : int.Parse(sql.AsSpan(i + 1, end - i - 1), NumberStyles.None, CultureInfo.InvariantCulture);
                count = Math.Max(count, number);
                text.Append(mark).Append(number);
                i = end;
            }
            else
            {
                var end = SqlText.EndOfToken(sql, i, provider);
                text.Append(sql, i, end - i);
                i = end;
            }
        }

        return new SqlQuery(text.ToString(), count, provider);
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
            Bind(command, i + 1, values[i]);
        }

        return command;
    }

    // A text without a type takes the one that the server infers, as with psql, libpq and DBD::Pg: it may be compared with an inet or an
    // integer.
    private void Bind(DbCommand command, int number, object? value)
    {
        if (_provider != SqlProvider.PostgreSQL)
        {
            command.Bind("@p" + number.ToString(CultureInfo.InvariantCulture), value);
        }
        else if (value is string text)
        {
            command.Parameters.Add(new NpgsqlParameter { Value = text, NpgsqlDbType = NpgsqlDbType.Unknown });
        }
        else
        {
            command.Parameters.Add(new NpgsqlParameter { Value = value ?? DBNull.Value });
        }
    }

    private static bool IsPlaceholder(string sql, int at, SqlProvider provider) =>
        sql[at] == '?' || (provider == SqlProvider.PostgreSQL
            && sql[at] == '$'
            && (at == 0 || !SqlText.IsWord(sql[at - 1]))
            && EndOfNumber(sql, at + 1) > at + 1);

    // Four digits: more than any database takes, and no overflow.
    private static int EndOfNumber(string sql, int start)
    {
        var end = start;
        while (end < sql.Length && end < start + 4 && char.IsAsciiDigit(sql[end]) && (end > start || sql[end] != '0'))
        {
            end++;
        }

        return end;
    }
}
