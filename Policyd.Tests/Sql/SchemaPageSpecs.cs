using System.Text.RegularExpressions;
using Policyd.Backends.Schema;
using Policyd.Backends.Sql;
using Policyd.Plugins.Sql;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Sql;

/// <summary>
/// docs/schema.md has the statements by which the server makes its tables; and with tables that were made from the page the server counts,
/// keeps tickets and runs its tasks for a user who may not create any.
/// </summary>
public sealed partial class SchemaPageSpecs : IDisposable
{
    private const string History = "SQLite: the file of the history";
    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static string Page => File.ReadAllText(FilesAbove.OfTheRepository("docs/schema.md"));

    [Theory]
    [InlineData("SQLite", SqlProvider.SQLite)]
    [InlineData("PostgreSQL", SqlProvider.PostgreSQL)]
    [InlineData("MySQL and MariaDB", SqlProvider.MySQL)]
    public void Page_has_the_statements_of_the_server(string heading, SqlProvider provider)
    {
        var page = Statements(heading).Select(Normal).ToList();
        var own = OwnTableGroup.AllOf(provider).SelectMany(group => group.Tables(provider)).Prepend(OwnTableGroup.VersionTable(provider));
        Assert.All(own.SelectMany(table => table.Definition), statement => Assert.Contains(Normal(statement), page));
        var versions = string.Join(", ", OwnTableGroup.AllOf(provider).Select(group => $"('{group.Group}', {group.Version})"));
        Assert.Contains($"INSERT INTO policyd_schema (component, version) VALUES {versions}", page);
    }

    [Fact]
    public void Page_has_the_statements_of_the_history_s_own_file()
    {
        var own = OwnTableGroup.Decisions.Tables(SqlProvider.SQLite).Prepend(OwnTableGroup.VersionTable(SqlProvider.SQLite));
        Assert.Equal(
            [.. own.SelectMany(table => table.Definition), "INSERT INTO policyd_schema (component, version) VALUES ('decisions', 1)"],
            Statements(History).Select(Normal).OrderBy(static statement => statement.StartsWith("INSERT", StringComparison.Ordinal)));
    }

    [ServerTest]
    [Fact]
    public Task Server_runs_on_tables_of_the_page_on_SQLite()
    {
        var (file, history) = (_folder["policyd.db"], _folder["policyd-decisions.db"]);
        foreach (var statement in Statements(History))
        {
            SqliteFile.Execute(history, statement);
        }

        foreach (var statement in Statements("SQLite"))
        {
            SqliteFile.Execute(file, statement);
        }

        return Serves($"Data Source={file}", "provider = SQLite", sql => Task.FromResult(
            SqliteFile.Number(sql.Contains("policyd_decisions", StringComparison.Ordinal) ? history : file, sql)));
    }

    [ServerTest]
    [Fact]
    public async Task Server_whose_user_may_not_create_tables_runs_on_tables_of_the_page_on_PostgreSQL()
    {
        await using var server = new PostgresServer();
        var dsn = await server.NewDatabase();
        foreach (var statement in Statements("PostgreSQL"))
        {
            await server.Execute(dsn, statement);
        }

        await server.Execute(
            dsn,
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC; CREATE USER mail; GRANT USAGE ON SCHEMA public TO mail; "
                + "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO mail; "
                + "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO mail");
        await Serves(dsn, "user = mail", async sql => await Scalar(dsn, "postgres", sql));
    }

    [ServerTest]
    [Fact]
    public async Task Server_whose_user_may_not_create_tables_runs_on_tables_of_the_page_on_MariaDB()
    {
        await using var server = new MariaDbServer();
        var dsn = await server.NewDatabase();
        await server.Execute(
            $"USE d1; {string.Join(';', Statements("MySQL and MariaDB"))}; CREATE USER 'mail'@'127.0.0.1' IDENTIFIED BY 'secret'; "
                + "GRANT SELECT, INSERT, UPDATE, DELETE ON d1.* TO 'mail'@'127.0.0.1'");
        await Serves(dsn, "user = mail, password = secret", async sql => await Scalar(dsn, "policyd", sql));
    }

    public void Dispose() => _folder.Dispose();

    private async Task Serves(string dsn, string options, Func<string, Task<long>> scalar)
    {
        var configuration = _folder.Write("policyd.hocon", $$"""
            policyd { listen = ["127.0.0.1:{{_port}}"], cron { tasks { hourly = "* * * * * *" } }
              decisions { db = db }
              connections { db { module = Sql, dsn = "{{dsn}}", {{options}} } }
              virtual_hosts = [ { name = all, port = {{_port}}, plugins = [
                { name = g, module = Greylist, remember = 35d, ticket { module = Sql, min_retry_wait = 0s }, awl { module = Sql } }
                { name = a, module = Accounting, fields = client_address } ] } ] }
            """);
        var check = await ProcessUnderTest.Run(PolicydProcess.Executable, "check", "-c", configuration);
        Assert.Equal($"{configuration}: no errors\ndb: table acct_client_address: ready", check.Output);

        await using var server = await PolicydProcess.Serve(configuration, _port);
        Assert.True(PolicyEndpoint.TryParse($"127.0.0.1:{_port}", out var endpoint, out var error), error);
        await using var client = await PolicyClient.ConnectAsync(endpoint!, Cancel);
        Assert.StartsWith("defer", await client.AskAsync(Request("1"), Cancel), StringComparison.Ordinal);
        await Eventually.Holds(
            "the second attempt to pass", async () => await client.AskAsync(Request(Guid.NewGuid().ToString("N")), Cancel) == "dunno");
        Assert.Equal(1, await scalar("SELECT count(*) FROM acct_client_address WHERE count >= 1"));
        Assert.Equal(1, await scalar("SELECT count(*) FROM policyd_expiring"));
        Assert.Equal(1, await scalar("SELECT count(*) FROM autowl"));
        await Eventually.Holds("a decision to be kept", async () => await scalar("SELECT count(*) FROM policyd_decisions") > 0);
        await Eventually.Holds("a task to be noted", async () => await scalar("SELECT count(*) FROM policyd_cron_journal") > 0);
        Assert.DoesNotContain(server.Lines, line => line.Contains("error", StringComparison.OrdinalIgnoreCase));
    }

    private static byte[] Request(string instance)
    {
        var request = new PolicyRequestBuilder();
        request.Add("request", "smtpd_access_policy");
        request.Add("instance", instance);
        request.Add("protocol_state", "RCPT");
        request.Add("client_address", "192.0.2.1");
        request.Add("sender", "a@example.org");
        request.Add("recipient", "b@example.net");
        request.Add("recipient_count", "1");
        request.Add("size", "10");
        return request.ToBytes();
    }

    private static async Task<long> Scalar(string dsn, string user, string sql)
    {
        Assert.True(Backends.Dsn.SqlDsn.TryParse(dsn, out var parsed, out var error), error);
        await using var database = SqlDatabase.Create(new SqlConnectionOptions { Dsn = parsed!, User = user, Password = "secret" });
        await using var connection = await database.OpenAsync(Cancel);
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        return Convert.ToInt64(await command.ExecuteScalarAsync(Cancel), System.Globalization.CultureInfo.InvariantCulture);
    }

    private static string[] Statements(string heading)
    {
        var section = Regex.Match(Page, $@"\n### {Regex.Escape(heading)}\n+```sql\n(.*?)```", RegexOptions.Singleline);
        Assert.True(section.Success, $"docs/schema.md has no statements for {heading}");
        return Comment().Replace(section.Groups[1].Value, "")
            .Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>The statement without what a reader's eye needs: line breaks and indents.</summary>
    private static string Normal(string statement) =>
        Space().Replace(statement, " ").Replace("( ", "(", StringComparison.Ordinal).Replace(" )", ")", StringComparison.Ordinal);

    [GeneratedRegex("--.*")]
    private static partial Regex Comment();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Space();
}
