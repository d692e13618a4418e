using System.Net.Sockets;
using Npgsql;
using Policyd.Backends.Dsn;
using Policyd.Backends.Sql;
using Policyd.Plugins.Sql;
using Policyd.Tests.Server;
using Policyd.Tests.Support;

namespace Policyd.Tests.Sql;

/// <summary>
/// SqlUserConfig, SqlList and Greylist of the running server on real databases: values that a column cannot hold, types, dead connections,
/// <c>check</c>.
/// </summary>
[ServerTest]
public sealed class SqlLookupSpecs(MariaDbServer mariaDb, PostgresServer postgres)
{
    private const string UserConfig = """
        { name = uc, module = SqlUserConfig, field = recipient }
        { name = c, module = Condition, key = "session:lim", match = "1", action = "reject found" }

        """;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Settings_between_colons_lead_to_the_database_they_name()
    {
        var (name, port) = Parts(await mariaDb.NewDatabase());
        using var folder = new TemporaryFolder();
        var listen = FreePort.Next();
        var configuration = folder.Write("mtpolicyd.conf", $"""
            port="127.0.0.1:{listen}"
            <Connection db>
              module = "Sql"
              dsn="dbi:mysql:database={name}:host=127.0.0.1:port={port}"
              user=policyd
              password=secret
            </Connection>
            <VirtualHost {listen}>
              name=outgoing
              <Plugin acct-clients>
                module = "Accounting"
                fields = "client_address,sasl_username"
                time_pattern = "%Y-%m-%d"
              </Plugin>
            </VirtualHost>
            """);
        await using var server = await PolicydProcess.Serve(configuration, listen);
        Assert.True(Policyd.Protocol.PolicyEndpoint.TryParse($"127.0.0.1:{listen}", out var endpoint, out _));
        await using (var client = await Policyd.Protocol.PolicyClient.ConnectAsync(endpoint, Cancel))
        {
            await client.AskAsync(Policyd.Protocol.PolicyRequestBuilder.AccessPolicy()
                .Add("protocol_state", "END-OF-MESSAGE")
                .Add("client_address", "192.0.2.1")
                .Add("sasl_username", "Bob")
                .Add("instance", "a.1")
                .ToBytes(), Cancel);
        }

        await Eventually.Holds(
            "the mail in the table",
            async () => (await mariaDb.Query($"SELECT CONCAT(`key`, count) FROM {name}.acct_sasl_username")).Trim() == "Bob1");
    }

    [Fact]
    public async Task Option_file_leads_to_the_database_it_names()
    {
        var (name, port) = Parts(await mariaDb.NewDatabase());
        using var folder = new TemporaryFolder();
        var file = folder.Write(
            "my.cnf", $"[client]\nhost = 127.0.0.1\nport = {port}\nuser = policyd\npassword = \"secret\"\n[mail]\ndatabase = {name}\n");
        await using var policy = await SqlPolicy.ServeAsync(
            $"dsn = \"dbi:mysql:mysql_read_default_file={file};mysql_read_default_group=mail\"",
            $$"""{ name = l, module = SqlList, field = sender, sql_query = "SELECT 1 WHERE concat(database(), ?) = '{{name}}a'", """
                + $$"""match_action = "reject a" }""");
        Assert.Equal("reject a", await policy.AskAsync(("sender", "a")));
        Assert.DoesNotContain(policy.Server.Lines, static line => line.Contains("secret", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("latin1")]
    [InlineData("utf8mb3")]
    [InlineData("ascii")]
    [InlineData("ucs2")]
    public async Task A_value_beyond_the_characters_of_a_column_is_in_no_row(string characters)
    {
        var dsn = await mariaDb.NewDatabase();
        var name = Parts(dsn).Name;
        await mariaDb.Execute($$"""
            USE {{name}};
            CREATE TABLE user_config (address varchar(255) PRIMARY KEY, config text) CHARACTER SET {{characters}};
            INSERT INTO user_config VALUES ('bob@example.net', '{"lim":"1"}');
            CREATE TABLE autowl (id int NOT NULL AUTO_INCREMENT PRIMARY KEY, sender_domain VARCHAR(255) NOT NULL, client_ip VARCHAR(39) NOT NULL,
              count INT UNSIGNED NOT NULL, last_seen INT UNSIGNED NOT NULL, UNIQUE KEY domain_ip (client_ip, sender_domain)) CHARACTER SET {{characters}};
            """);
        await using var policy = await SqlPolicy.ServeAsync(Connection(dsn), UserConfig + """
            { name = l, module = SqlList, field = recipient, sql_query = "SELECT 1 FROM user_config WHERE address = ?", match_action = "reject listed" }
            { name = g, module = Greylist, ticket { module = Memory } }
            """);
        Assert.Equal("reject found", await policy.AskAsync(("recipient", "bob@example.net")));
        foreach (var recipient in (string[])[
            "用户@example.net", "j😂@example.net", "jörg@example.net", new string('a', 300) + "@example.net"
        ])
        {
            Assert.Equal("dunno", await policy.AskAsync(("recipient", recipient)));
        }

        foreach (var domain in (string[])[
            "日本.example", "😂.example", "plain.example", new string('d', 300) + ".example", "%.example", new string('日', 200)
        ])
        {
            Assert.Equal(
                "defer greylisting is active",
                await policy.AskAsync(("client_address", "192.0.2.1"), ("sender", "a@" + domain), ("recipient", "c@example.net")));
        }

        Assert.DoesNotContain(policy.Server.Lines, line => line.Contains("without greylisting", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_parameter_of_PostgreSQL_has_the_type_that_the_server_infers()
    {
        var dsn = await postgres.NewDatabase();
        await ExecuteAsync(dsn, """
            CREATE TABLE clients (net cidr PRIMARY KEY, ip inet, id integer, uid uuid, tags text[], config text, facts jsonb, helo text);
            INSERT INTO clients VALUES ('192.0.2.0/24', '192.0.2.1', 5, '6c84fb90-12c4-11e1-840d-7b25c5ee775a', '{a@example.org}', '{"lim":"1"}', '{"k":"v"}', 'mx\\');
            """);
        await using var policy = await SqlPolicy.ServeAsync(Connection(dsn), """
            { name = net, module = SqlUserConfig, field = client_address, sql_query = "SELECT config FROM clients WHERE net >>= ?" }
            { name = c, module = Condition, key = "session:lim", match = "1", action = "reject found" }
            { name = ip, module = SqlList, field = helo_name, sql_query = "SELECT ROW(1, now()) FROM clients WHERE ip = $1", match_action = "reject ip" }
            { name = id, module = SqlList, field = size, sql_query = "SELECT NULL FROM clients WHERE id = ? -- ?", match_action = "reject id" }
            { name = uid, module = SqlList, field = instance_id, sql_query = "SELECT 1 FROM clients WHERE uid = ?", match_action = "reject uid" }
            { name = tag, module = SqlList, field = sender, sql_query = "SELECT 1 FROM clients WHERE tags @> ARRAY[?]", match_action = "reject tag" }
            { name = path, module = SqlList, field = sender, sql_query = "SELECT 1 FROM clients WHERE facts @@ ?", match_action = "reject path" }
            { name = like, module = SqlList, field = sender, sql_query = "SELECT 1 FROM clients WHERE helo LIKE ?", match_action = "reject like" }
            """);
        Assert.Equal("reject found", await policy.AskAsync(("client_address", "192.0.2.1")));
        Assert.Equal("dunno", await policy.AskAsync(
            ("client_address", "192.0.3.1"),
            ("helo_name", "mx.example.org"),
            ("size", "many"),
            ("sender", "b@example.org"),
            ("instance_id", "x")));
        Assert.Equal("dunno", await policy.AskAsync(("client_address", "unknown"), ("size", "99999999999999999999")));
        Assert.Equal("reject ip", await policy.AskAsync(("helo_name", "192.0.2.1")));
        Assert.Equal("reject id", await policy.AskAsync(("size", "5")));
        Assert.Equal("reject uid", await policy.AskAsync(("instance_id", "6C84FB90-12C4-11E1-840D-7B25C5EE775A")));
        Assert.Equal("reject tag", await policy.AskAsync(("sender", "a@example.org")));
        Assert.Equal("reject path", await policy.AskAsync(("sender", "$.k == \"v\"")));
        Assert.Equal("reject like", await policy.AskAsync(("sender", "mx%")));
        foreach (var sender in (string[])["mx\\", "$.", "(", "'", "b@example.org"])
        {
            Assert.Equal("dunno", await policy.AskAsync(("sender", sender)));
        }
    }

    [Theory]
    [InlineData("read-write")]
    [InlineData("prefer-standby")]
    public async Task A_PostgreSQL_server_is_chosen_by_the_kind_of_session(string wanted)
    {
        var dsn = await postgres.NewDatabase();
        var (name, port) = Parts(dsn);
        await using var policy = await SqlPolicy.ServeAsync(
            Connection($"dbi:Pg:dbname={name};host=127.0.0.1,127.0.0.1;port={FreePort.Next()},{port};target_session_attrs={wanted}"),
            """{ name = l, module = SqlList, field = sender, sql_query = "SELECT 1 WHERE ? = 'a'", match_action = "reject a" }""");
        Assert.Equal("reject a", await policy.AskAsync(("sender", "a")));
    }

    [Theory]
    [InlineData("SQLite", "SELECT hex(zeroblob(50000000)) WHERE ? <> ''")]
    [InlineData("Pg", "SELECT repeat('x', 100000000) WHERE ? <> ''")]
    [InlineData("Pg", "SELECT convert_to(repeat('x', 100000000), 'UTF8') WHERE ? <> ''")]
    [InlineData("mysql", "SELECT REPEAT('x', 10000000) FROM DUAL WHERE ? <> ''")]
    [InlineData("mysql", "SELECT CAST(REPEAT('x', 10000000) AS BINARY) FROM DUAL WHERE ? <> ''")]
    public async Task Settings_longer_than_any_are_an_error_and_are_not_read_to_their_end(string driver, string query)
    {
        using var folder = new TemporaryFolder();
        var dsn = driver switch
        {
            "Pg" => await postgres.NewDatabase(),
            "mysql" => await mariaDb.NewDatabase(),
            _ => "dbi:SQLite:" + folder["long.db"],
        };
        await using var policy = await SqlPolicy.ServeAsync(Connection(dsn), $$"""
            { name = few, module = SqlUserConfig, field = sender, sql_query = "SELECT '{\"lim\":\"1\"}' WHERE ? <> ''" }
            { name = c, module = Condition, key = "session:lim", match = "1", plugins = [
              { name = long, module = SqlUserConfig, field = recipient, sql_query = "{{query}}", timeout = 18s, on_error = continue }
            ] }
            """);
        Assert.Equal("dunno", await policy.AskAsync(("sender", "a@example.org")));
        var before = PeakOf(policy.Server.Id);
        Assert.Equal("dunno", await policy.AskAsync(("sender", "a@example.org"), ("recipient", "b@example.org")));
        Assert.Contains(
            "the first column of the row holds more than 1000000 characters",
            await policy.Server.Prints("more than 1000000"),
            StringComparison.Ordinal);

        // In KiB. A hundred million characters would take 300,000; what the server does for the first time has taken 100,000.
        Assert.InRange(PeakOf(policy.Server.Id) - before, 0, 150_000);
    }

    [Fact]
    public async Task A_value_that_the_encoding_of_a_PostgreSQL_database_lacks_is_in_no_row_and_does_not_stop_greylisting()
    {
        var dsn = await postgres.NewDatabase();
        await ExecuteAsync(dsn, "CREATE DATABASE latin ENCODING LATIN1 TEMPLATE template0");
        dsn = dsn.Replace($"dbname={Parts(dsn).Name}", "dbname=latin", StringComparison.Ordinal);
        await ExecuteAsync(
            dsn,
            """CREATE TABLE user_config (address varchar(40) PRIMARY KEY, config text); INSERT INTO user_config VALUES """
                + """('jörg@example.net', '{"lim":"1"}')""");
        await using var policy = await SqlPolicy.ServeAsync(
            Connection(dsn), UserConfig + "{ name = g, module = Greylist, ticket { module = Sql, prefix = \"日本\" } }");
        Assert.Equal("reject found", await policy.AskAsync(("recipient", "jörg@example.net")));
        Assert.Equal("dunno", await policy.AskAsync(("recipient", "用户@example.net")));
        Assert.Equal(
            "defer greylisting is active",
            await policy.AskAsync(("client_address", "192.0.2.1"), ("sender", "a@日本.example"), ("recipient", "c@example.net")));
    }

    [Theory]
    [InlineData("PostgreSQL")]
    [InlineData("MariaDB")]
    public async Task A_connection_that_has_died_is_replaced_before_the_mail_notices(string kind)
    {
        var dsn = await (kind == "MariaDB" ? mariaDb.NewDatabase() : postgres.NewDatabase());
        await using var policy = await SqlPolicy.ServeAsync(Connection(dsn), """
            { name = uc, module = SqlUserConfig, field = sender, sql_query = "SELECT 'x' FROM (SELECT 1 AS one) AS t WHERE ? = 'a'" }
            { name = l, module = SqlList, field = sender, sql_query = "SELECT 1 WHERE ? = 'b'", match_action = "reject b" }
            { name = g, module = Greylist, enabled = on, mode = passive, ticket { module = Sql, min_retry_wait = 1s }, autowl_threshold = 1, create_ticket = off }
            { name = a, module = Accounting, fields = sender, time_pattern = "%Y" }
            { name = q, module = Quota, field = recipient, metric = count, threshold = 1000, time_pattern = "%Y" }
            """);
        for (var death = 0; death < 4; death++)
        {
            Assert.Equal(
                "dunno",
                await policy.AskAsync(("sender", "a@example.org"), ("client_address", "192.0.2.1"), ("recipient", "b@example.org")));
            await KillConnectionsAsync(kind, dsn);
        }

        string[] noticed = ["without greylisting", "failed", "cannot be written", "before they were counted"];
        Assert.DoesNotContain(policy.Server.Lines, line => noticed.Any(word => line.Contains(word, StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("PostgreSQL", "SELECT 1 FROM nosuch WHERE a = ?")]
    [InlineData("PostgreSQL", "SELEKT ?")]
    [InlineData("MariaDB", "SELECT 1 FROM nosuch WHERE a = ?")]
    [InlineData("MariaDB", "SELECT 1 FROM t WHERE INET_ATOM(ip) = ?")]
    [InlineData("SQLite", "SELECT b FROM t WHERE a = ?")]
    public async Task Check_has_the_database_prepare_each_statement(string kind, string wrong)
    {
        using var folder = new TemporaryFolder();
        var dsn = kind switch
        {
            "MariaDB" => await mariaDb.NewDatabase(),
            "PostgreSQL" => await postgres.NewDatabase(),
            _ => $"dbi:SQLite:dbname={folder["c.db"]}",
        };
        await ExecuteAsync(dsn, "CREATE TABLE t (a INTEGER)");
        var right = "{ name = good, module = SqlList, sql_query = \"SELECT 1 FROM t WHERE a = ?\" }\n"
            + "{ name = own, module = SqlList, sql_query = \"SELECT 1 FROM policyd_expiring WHERE name = ?\" }\n{ name = h, module = "
            + "Honeypot, store = Sql, recipients = a }";
        var result = await CheckAsync(folder, dsn, right);
        Assert.True(result.ExitCode == 0, result.Error);
        Assert.Contains("the server creates the table", result.Error, StringComparison.Ordinal);

        result = await CheckAsync(folder, dsn, right + $"\n{{ name = bad, module = SqlUserConfig, sql_query = \"{wrong}\" }}");
        Assert.Equal(78, result.ExitCode);
        Assert.Matches(@"policyd\.hocon:9:\d+: plugin bad: sql_query: the database of connection db refuses the statement: ", result.Error);
        Assert.DoesNotContain("plugin good: sql_query", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_of_statements_for_a_database_that_is_away_is_a_warning()
    {
        using var folder = new TemporaryFolder();
        var result = await CheckAsync(
            folder, $"dbi:Pg:dbname=x;host=127.0.0.1;port={FreePort.Next()}", "{ name = l, module = SqlList, sql_query = \"SELEKT ?\" }");
        Assert.Equal(0, result.ExitCode);
        Assert.Matches(@"policyd\.hocon:6:\d+: warning: plugin l: sql_query: the statement could not be checked: ", result.Error);
        result = await CheckAsync(folder, $"dbi:SQLite:{folder["none.db"]}", "{ name = l, module = SqlList, sql_query = \"SELECT ?\" }");
        Assert.Equal(0, result.ExitCode);
        Assert.EndsWith(
            "none.db: there is no such file yet; a start makes it, without the statement's tables\n",
            result.Error,
            StringComparison.Ordinal);
        Assert.False(File.Exists(folder["none.db"]));
    }

    [Fact]
    public async Task Check_tells_of_a_user_who_may_not_create_the_tables_of_a_start()
    {
        using var folder = new TemporaryFolder();
        var dsn = await postgres.NewDatabase();
        var user = $"weak{Guid.NewGuid():N}";
        await ExecuteAsync(dsn, $"REVOKE CREATE ON SCHEMA public FROM PUBLIC; CREATE ROLE {user} LOGIN");
        const string Counts = "{ name = a, module = Accounting, fields = sender }";
        var file = folder.Write("policyd.hocon", SqlPolicy.Configuration(FreePort.Next(), $"dsn = \"{dsn}\", user = {user}", Counts));
        var result = await Command.RunAsync("", "check", "-c", file);
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        Assert.Contains(
            $"db: at the next start: not possible: the user {user} may not create tables in the schema public; ",
            result.Output,
            StringComparison.Ordinal);
        await ExecuteAsync(dsn, $"GRANT CREATE ON SCHEMA public TO {user}");
        Assert.DoesNotContain("not possible", (await Command.RunAsync("", "check", "-c", file)).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_tells_of_a_user_of_MariaDB_who_may_not_create_the_tables_of_a_start()
    {
        using var folder = new TemporaryFolder();
        var dsn = await mariaDb.NewDatabase();
        var (name, _) = Parts(dsn);
        var user = $"weak{Guid.NewGuid():N}"[..20];
        await mariaDb.Execute($"CREATE USER {user} IDENTIFIED BY 'secret'; GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.* TO {user}");
        const string Counts = "{ name = a, module = Accounting, fields = sender }";
        var file = folder.Write(
            "policyd.hocon", SqlPolicy.Configuration(FreePort.Next(), $"dsn = \"{dsn}\", user = {user}, password = secret", Counts));
        var told = $"db: at the next start: not possible: the user {user}@% may not create tables in the database {name}; ";
        await ToldAsync(1);

        // The server's own tables are there, as docs/schema.md has them, and the counter table is not.
        await mariaDb.Execute($"GRANT CREATE ON {name}.policyd_schema TO {user}");
        await ToldAsync(1);
        await mariaDb.Execute($"CREATE ROLE makers{user}; GRANT CREATE ON {name}.* TO makers{user}; GRANT makers{user} TO {user}; "
            + $"SET DEFAULT ROLE makers{user} FOR {user}");
        await ToldAsync(0);

        async Task ToldAsync(int times)
        {
            var result = await Command.RunAsync("", "check", "-c", file);
            Assert.Equal((0, ""), (result.ExitCode, result.Error));
            Assert.Equal(times, result.Output.Split(told).Length - 1);
            Assert.Contains("db: at the next start: table acct_sender: created", result.Output, StringComparison.Ordinal);
            Assert.Contains("db: at the next start: table policyd_schema: created", result.Output, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task What_a_database_refuses_is_told_in_its_words_alone()
    {
        using var folder = new TemporaryFolder();
        var dsn = await postgres.NewDatabase();
        var user = $"weak{Guid.NewGuid():N}";
        await ExecuteAsync(dsn, $"REVOKE CREATE ON SCHEMA public FROM PUBLIC; CREATE ROLE {user} LOGIN; CREATE TABLE t (a text)");
        const string Plugins = """
            { name = l, module = SqlList, sql_query = "SELECT 1 FROM t WHERE a = ?", match_action = reject, on_error = continue }
            { name = g, module = Greylist, ticket { module = Sql, db = db } }
            """;
        await using var policy = await SqlPolicy.ServeAsync($"dsn = \"{dsn}\", user = {user}", Plugins);
        await policy.AskAsync(("client_address", "192.0.2.1"), ("sender", "a@example.org"), ("recipient", "b@example.org"));
        await policy.Server.Prints("permission denied for table t; on_error");
        await policy.Server.Prints("no task runs until it is back: permission denied for schema public");
        var file = folder.Write(
            "policyd.hocon", SqlPolicy.Configuration(FreePort.Next(), $"dsn = \"{dsn}\", user = {user}", Plugins));
        var cron = await Command.RunAsync("", "cron", "-c", file, "hourly,daily");
        Assert.Matches(@"cron of plugin g \(t\) failed: PostgreSQL database [^\n]*: permission denied for schema public\n", cron.Error);
        Assert.DoesNotContain(policy.Server.Lines, static line => line.Contains("42501", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Check_of_statements_for_a_file_that_cannot_be_read_is_a_warning_at_its_place()
    {
        using var folder = new TemporaryFolder();

        // A socket cannot be opened, by root neither.
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(folder["c.db"]));
        var result = await CheckAsync(folder, $"dbi:SQLite:{folder["c.db"]}", "{ name = l, module = SqlList, sql_query = \"SELECT ?\" }");
        Assert.Equal(0, result.ExitCode);
        Assert.Matches(
            @"policyd\.hocon:6:\d+: warning: plugin l: sql_query: the statement could not be checked: .*cannot be read", result.Error);
    }

    // In KiB.
    private static long PeakOf(int process) =>
        long.Parse(ProcessUnderTest.StatusOf(process, "VmHWM"), System.Globalization.CultureInfo.InvariantCulture);

    private static Task<CommandResult> CheckAsync(TemporaryFolder folder, string dsn, string plugins) =>
        Command.RunAsync(
            "", "check", "-c", folder.Write("policyd.hocon", SqlPolicy.Configuration(FreePort.Next(), Connection(dsn), plugins)));

    private static string Connection(string dsn) =>
        $"dsn = \"{dsn}\"" + (dsn.StartsWith("dbi:mysql", StringComparison.Ordinal)
            ? ", user = policyd, password = secret"
            : dsn.StartsWith("dbi:Pg", StringComparison.Ordinal) ? ", user = postgres" : "");

    private static (string Name, string Port) Parts(string dsn)
    {
        Assert.True(SqlDsn.TryParse(dsn, out var parsed, out _));
        return (parsed!.Database!, parsed.Get("port")!);
    }

    private static async Task ExecuteAsync(string dsn, string sql)
    {
        Assert.True(SqlDsn.TryParse(dsn, out var parsed, out _));
        await using var database = SqlDatabase.Create(new SqlConnectionOptions
        {
            Dsn = parsed!,
            User = dsn.StartsWith("dbi:Pg", StringComparison.Ordinal) ? "postgres" : "policyd",
            Password = "secret",
        });
        await using var connection = await database.OpenAsync(Cancel);
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await command.ExecuteNonQueryAsync(Cancel);
        if (connection is NpgsqlConnection)
        {
            NpgsqlConnection.ClearPool((NpgsqlConnection)connection);
        }
    }

    private async Task KillConnectionsAsync(string kind, string dsn)
    {
        var name = Parts(dsn).Name;
        if (kind == "PostgreSQL")
        {
            await ExecuteAsync(
                dsn,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()");
            return;
        }

        foreach (var id in (await mariaDb.Query($"SELECT id FROM information_schema.processlist WHERE db = '{name}'")).Split(
            '\n', StringSplitOptions.RemoveEmptyEntries))
        {
            await mariaDb.Execute($"KILL {id}");
        }
    }
}
