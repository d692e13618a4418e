using Policyd.Backends.Dsn;
using Policyd.Backends.Sql;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Sql;
using Policyd.Tests.Support;

namespace Policyd.Tests.Sql;

/// <summary>Placeholders of queries in a configuration file, among everything that looks like one.</summary>
public sealed class SqlQuerySpecs
{
    [Theory]
    [InlineData(SqlProvider.SQLite, "SELECT a FROM t WHERE b=? AND c = ?", "SELECT a FROM t WHERE b=@p1 AND c = @p2", 2)]
    [InlineData(
        SqlProvider.SQLite,
        "SELECT 'is it? it''s ?' , \"a?\", `b?`, [c?], ? -- why?\n, ?",
        "SELECT 'is it? it''s ?' , \"a?\", `b?`, [c?], @p1 -- why?\n, @p2",
        2)]
    [InlineData(SqlProvider.SQLite, "SELECT 'a\\', ?", "SELECT 'a\\', @p1", 1)]
    [InlineData(SqlProvider.MySQL, "SELECT 'a\\'?', ? # why?\n, ?--?", "SELECT 'a\\'?', @p1 # why?\n, @p2--@p3", 3)]
    [InlineData(SqlProvider.MySQL, "SELECT /* ? */ \"?\" , ? -- ?", "SELECT /* ? */ \"?\" , @p1 -- ?", 1)]
    [InlineData(
        SqlProvider.PostgreSQL,
        "SELECT /* a /* ? */ ? */ $x$ ? $x$, $$?$$, E'\\'?', 'a\\', ?",
        "SELECT /* a /* ? */ ? */ $x$ ? $x$, $$?$$, E'\\'?', 'a\\', $1",
        1)]
    [InlineData(SqlProvider.PostgreSQL, "SELECT j \\? 'k' FROM t WHERE a$b = ?", "SELECT j ? 'k' FROM t WHERE a$b = $1", 1)]
    [InlineData(
        SqlProvider.PostgreSQL,
        "SELECT j ?? 'k', j ??| ARRAY[?] FROM t WHERE a = $1",
        "SELECT j ? 'k', j ?| ARRAY[$1] FROM t WHERE a = $1",
        1)]
    [InlineData(
        SqlProvider.PostgreSQL,
        "SELECT tags @> ARRAY[?], '$1', \"?\", arr[1:?] -- $1",
        "SELECT tags @> ARRAY[$1], '$1', \"?\", arr[1:$2] -- $1",
        2)]
    [InlineData(SqlProvider.SQLite, "SELECT ?1, ?2, ?1", "SELECT @p1, @p2, @p1", 2)]
    [InlineData(SqlProvider.PostgreSQL, "SELECT 'never closed ?", "SELECT 'never closed ?", 0)]
    public void Placeholders_are_found_outside_of_strings_names_and_comments(SqlProvider provider, string sql, string expected, int count)
    {
        var query = SqlQuery.Parse(sql, provider);
        Assert.Equal(expected, query.Text);
        Assert.Equal(count, query.ParameterCount);
    }

    [Fact]
    public async Task Values_are_bound_and_their_number_is_checked()
    {
        using var folder = new TemporaryFolder();
        Assert.True(SqlDsn.TryParse($"dbi:SQLite:{folder["q.db"]}", out var dsn, out _));
        await using var database = SqlDatabase.Create(new SqlConnectionOptions { Dsn = dsn! });
        await using var connection = await database.OpenAsync(TestContext.Current.CancellationToken);
        var query = SqlQuery.Parse("SELECT '?' || ? || coalesce(?, 'null')", SqlProvider.SQLite);
        await using var command = query.CreateCommand(connection, "'; DROP TABLE x; --", null);
        Assert.Equal("?'; DROP TABLE x; --null", await command.ExecuteScalarAsync(TestContext.Current.CancellationToken));
        Assert.Throws<ArgumentException>(() => query.CreateCommand(connection, "one"));
    }

    [Theory]
    [InlineData("acct_client_address", null)]
    [InlineData("acct-x$1", null)]
    [InlineData("", "empty")]
    [InlineData("acct_a b", "only letters")]
    [InlineData("acct_\u001b[31m", "\\u001b")]
    [InlineData("1acct", "begin with")]
    [InlineData("sqlite_x", "reserved")]
    [InlineData("Policyd_Commits", "reserved")]
    [InlineData("a23456789012345678901234567890123456789012345678901234567890_234", "too long")]
    public void Table_name_that_cannot_be_one_is_an_error(string name, string? part)
    {
        Assert.Equal(part is null, CounterTableName.TryParse("", name, out _, out var error));
        if (part is not null)
        {
            Assert.Contains(part, error, StringComparison.Ordinal);
        }
    }
}
