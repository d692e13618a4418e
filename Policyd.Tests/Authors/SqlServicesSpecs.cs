using System.Data.Common;
using Microsoft.Data.Sqlite;
using Policyd.Plugins.Api;
using Policyd.Plugins.Services;
using Policyd.Plugins.Sql;
using Policyd.Tests.Actors;
using Policyd.Tests.Plugins;
using Policyd.Tests.Support;

namespace Policyd.Tests.Authors;

/// <summary>SQL from a third party's plugin: bound values, their types, and a database that takes its time.</summary>
public sealed class SqlServicesSpecs : IDisposable
{
    // Counts for ever.
    private const string Endless =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n WHERE ? <> ''";

    private readonly TemporaryFolder _folder = new();

    private string File => _folder["test.db"];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("Query")]
    [InlineData("Database")]
    public async Task A_locked_file_costs_a_plugin_its_timeout_and_no_thread(string way)
    {
        SqliteFile.Execute(File, "CREATE TABLE t (a TEXT)");
        await using var server = await ServeAsync(
            $$"""
            { name = p, module = Asks, way = {{way}}, sql = "SELECT a FROM t WHERE a = ?", timeout = 1s, on_error = "reject away" }
            """);
        await using var other = new SqliteConnection($"Data Source={File};Pooling=False");
        await other.OpenAsync(TestContext.Current.CancellationToken);
        await ExecuteAsync(other, "BEGIN EXCLUSIVE");
        Assert.Equal("reject away", await server.AskAsync("a.1"));
        Assert.Equal("reject away", await server.AskAsync("a.2"));
        await ExecuteAsync(other, "ROLLBACK");
        await Eventually.Holds("answers of the file", async () => await server.AskAsync("a.3") == "reject nothing");
    }

    [Fact]
    public async Task A_statement_without_an_end_is_stopped_and_leaves_its_thread_to_others()
    {
        await using var server = await ServeAsync(
            $$"""
            { name = p, module = Asks, way = Query, sql = "{{Endless}}", timeout = 200ms, on_error = continue }
            { name = q, module = Asks, way = Query, sql = "SELECT 'quick' WHERE ? <> ''", timeout = 10s, on_error = "reject away" }
            """);

        // More than there are threads.
        for (var mail = 0; mail < 10; mail++)
        {
            await server.AskAsync($"a.{mail}");
        }

        await Eventually.Holds("a quick answer", async () => await server.AskAsync("b.1") == "reject quick");
    }

    [Fact]
    public async Task Values_are_bound_and_read_as_what_the_plugin_asks_for()
    {
        SqliteFile.Execute(File, "CREATE TABLE t (a TEXT, n INTEGER, d REAL, b BLOB); INSERT INTO t VALUES ('x''y', 7, 1.5, x'C3A4')");
        await using var policy = Policy("""{ name = p, module = Reads, sql = "SELECT n, d, b, a, NULL AS missing FROM t WHERE a = ?" }""");
        Assert.Equal("reject 7 1.5 ä x'y True -", await policy.AskAsync(("sender", "x'y")));
        Assert.Equal("reject none", await policy.AskAsync(("sender", "' OR '1'='1")));
    }

    [Fact]
    public async Task A_value_that_cannot_be_what_was_asked_for_is_an_error_that_names_its_column()
    {
        SqliteFile.Execute(File, "CREATE TABLE t (a TEXT, n TEXT); INSERT INTO t VALUES ('a', 'many')");
        await using var policy = Policy(
            """
            { name = p, module = Reads, sql = "SELECT n, 1.5 AS d, '' AS b, a, 1 AS missing FROM t WHERE a = ?", on_error = continue }
            """);
        await policy.AskAsync(("sender", "a"));
        Assert.Single(policy.Log.Containing("InvalidDataException: the column n holds a String that cannot be read as Int32"));
    }

    [Fact]
    public async Task A_change_is_made_once_and_left_out_in_a_rehearsal()
    {
        SqliteFile.Execute(File, "CREATE TABLE t (a TEXT)");
        const string Plugin = """{ name = p, module = Writes, sql = "INSERT INTO t VALUES (?)", observe = OBSERVE }""";
        await using (var policy = Policy(Plugin.Replace("OBSERVE", "on", StringComparison.Ordinal)))
        {
            policy.Depth = Policyd.Engine.Decisions.DecisionDepth.Facts;
            await policy.AskAsync(("sender", "a"));
            Assert.Contains(policy.Steps[0].Facts, fact => fact.Name == "would have" && fact.Value == "run sql with a");
            Assert.Empty(SqliteFile.Rows(File, "SELECT a FROM t"));
        }

        await using (var policy = Policy(Plugin.Replace("OBSERVE", "off", StringComparison.Ordinal)))
        {
            policy.Depth = Policyd.Engine.Decisions.DecisionDepth.Facts;
            Assert.Equal("reject 1", await policy.AskAsync(("sender", "a")));
            Assert.Contains(policy.Steps[0].Facts, fact => fact.Name == "sql" && fact.Value == "a" && fact.Result == "changed 1 rows");
            Assert.Equal(["a"], SqliteFile.Rows(File, "SELECT a FROM t"));
        }
    }

    [Theory]
    [InlineData("SELECT 1", "db", "sql: the query has 0 placeholders (?), but needs exactly one")]
    [InlineData("SELECT ?", "bd", "db: there is no connection \"bd\"; did you mean db?")]
    public void What_does_not_fit_is_an_error_at_its_place(string sql, string connection, string expected)
    {
        Assert.Null(PolicyUnderTest.Build(
            Configuration($$"""{ name = p, module = Asks, way = Query, sql = "{{sql}}", db = {{connection}} }"""),
            out var diagnostics,
            new() { Modules = Policyd.Engine.Loading.ModuleRegistry.BuiltIn.With([typeof(AsksPlugin)]) }));
        Assert.Contains(expected, Assert.Single(diagnostics.All).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_number_of_values_is_the_plugins_mistake_and_more_rows_than_fit_are_the_databases()
    {
        await using var policy = Policy(
            """
            { name = few, module = Rows, sql = "SELECT 1 WHERE ? <> ''", gives = 2, on_error = continue }
            { name = all, module = Rows, gives = 1, on_error = continue,
              sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i <= 1000) SELECT i FROM n WHERE ? <> ''" }
            { name = most, module = Rows, gives = 1,
              sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT i FROM n WHERE ? <> ''" }
            """);
        Assert.Equal("reject 1000", await policy.AskAsync(("sender", "a")));
        Assert.Single(policy.Log.Containing("sql has 1 placeholders, but 2 values were given"));
        Assert.Single(policy.Log.Containing("the answer has more than 1000 rows"));
    }

    private static async Task ExecuteAsync(DbConnection connection, string sql)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
    }

    // A driver that waited for the lock itself would do so for longer than any request may take.
    private string Configuration(string plugins) => $$"""
        policyd {
          listen = ["127.0.0.1:0"]
          connections { db { module = Sql, provider = SQLite, dsn = "Data Source={{File}};Default Timeout=120" } }
          virtual_hosts = [ { name = t, port = "127.0.0.1:0", plugins = [ {{plugins}} ] } ]
        }
        """;

    private Task<ServerUnderTest> ServeAsync(string plugins) =>
        ServerUnderTest.StartAsync(Configuration(plugins), modules: [typeof(AsksPlugin)]);

    private PolicyUnderTest Policy(string plugins) => PolicyUnderTest.Of(
        Configuration(plugins),
        new()
        {
            Modules = Policyd.Engine.Loading.ModuleRegistry.BuiltIn.With([typeof(ReadsPlugin), typeof(WritesPlugin), typeof(RowsPlugin)]),
        });

    /// <summary>One lookup, by either way.</summary>
    public sealed class AsksPlugin : Plugin
    {
        private SqlLookup? _lookup;
        private PluginDatabase? _database;

        public required string Way { get; set; }

        public required string Sql { get; set; }

        public string Db { get; set; } = "db";

        public override void Initialize(PluginSetup setup)
        {
            if (Way == "Query")
            {
                _lookup = setup.Query("sql", Sql, values: 1, Db);
            }
            else
            {
                _database = setup.Database("db", Db);
            }
        }

        public override async ValueTask<PluginResult> RunAsync(PluginContext context)
        {
            var found = _lookup is not null
                ? await _lookup.ScalarAsync<string>(context, context.Request.Recipient)
                : await _database!.RunAsync(context, connection => AskAsync(connection, context.Request.Recipient), isRepeatable: true);
            return PluginResult.Answer($"reject {found ?? "nothing"}");
        }

        private async Task<string?> AskAsync(DbConnection connection, string value)
        {
            await using var command = connection.CreateCommand();
            command.CommandText = Sql.Replace("?", "@value", StringComparison.Ordinal);
            var parameter = command.CreateParameter();
            (parameter.ParameterName, parameter.Value) = ("@value", value);
            command.Parameters.Add(parameter);
            return await command.ExecuteScalarAsync() as string;
        }
    }

    /// <summary>A row of several types.</summary>
    public sealed class ReadsPlugin : Plugin
    {
        private SqlLookup _lookup = null!;

        public required string Sql { get; set; }

        public override void Initialize(PluginSetup setup) => _lookup = setup.Query("sql", Sql, values: 1, "db")!;

        public override async ValueTask<PluginResult> RunAsync(PluginContext context)
        {
            var rows = await _lookup.RowsAsync(context, context.Request["sender"]);
            if (rows is not [var row])
            {
                return PluginResult.Answer("reject none");
            }

            var parts = FormattableString.Invariant(
                $"{row.Get<int>(0)} {row.Get<double>("D")} {row.Get<string>("b")} {row.Get<string>(3)} {row.Get<bool>(0)}");
            return PluginResult.Answer($"reject {parts} {row.Get<int?>("missing")?.ToString() ?? "-"}");
        }
    }

    /// <summary>A change.</summary>
    [SideEffects("writes a row")]
    public sealed class WritesPlugin : Plugin
    {
        private SqlLookup _lookup = null!;

        public required string Sql { get; set; }

        public override void Initialize(PluginSetup setup) => _lookup = setup.Query("sql", Sql, values: 1, "db")!;

        public override async ValueTask<PluginResult> RunAsync(PluginContext context) =>
            PluginResult.Answer($"reject {await _lookup.ExecuteAsync(context, context.Request["sender"])}");
    }

    /// <summary>A count of rows, with so many values.</summary>
    public sealed class RowsPlugin : Plugin
    {
        private SqlLookup _lookup = null!;

        public required string Sql { get; set; }

        public required int Gives { get; set; }

        public override void Initialize(PluginSetup setup) => _lookup = setup.Query("sql", Sql, values: 1, "db")!;

        public override async ValueTask<PluginResult> RunAsync(PluginContext context)
        {
            var rows = await _lookup.RowsAsync(context, [.. Enumerable.Repeat("a", Gives)]);
            return PluginResult.Answer($"reject {rows.Count}");
        }
    }
}
