using Policyd.Tests.Support;

namespace Policyd.Tests.Differential;

/// <summary>
/// SqlUserConfig, SqlList, Quota and Accounting give mtpolicyd's answers, each server with a database of its own that began with the same
/// rows.
/// </summary>
[ServerTest]
[SoakTest("hundreds of random mails to two servers; POLICYD_DIFFERENTIAL_REQUESTS sets how many")]
public sealed class SameSqlAnswersSpecs(ITestOutputHelper output, MariaDbServer mariaDb)
{
    private const string Tables = """
        CREATE TABLE user_config (address VARCHAR(255), config TEXT);
        INSERT INTO user_config VALUES ('few@example.org', '{"limit":"3","spam":"2","list":"off"}');
        INSERT INTO user_config VALUES ('many@example.org', '{"limit":100,"refusal":"reject your own limit","spam":1.5,"metric":"size"}');
        INSERT INTO user_config VALUES ('field@example.org', '{"by":"recipient","list":"off"}');
        INSERT INTO user_config VALUES ('off@example.org', '{"quota":"off","nested":null}');
        INSERT INTO user_config VALUES ('broken@example.org', '{"limit":');
        INSERT INTO user_config VALUES ('array@example.org', '["limit"]');
        INSERT INTO user_config VALUES ('empty@example.org', '');
        INSERT INTO user_config VALUES ('nothing@example.org', NULL);
        CREATE TABLE clients (address VARCHAR(255), known VARCHAR(255));
        INSERT INTO clients VALUES ('192.0.2.1', '192.0.2.1');
        INSERT INTO clients VALUES ('192.0.2.2', '0');
        INSERT INTO clients VALUES ('192.0.2.3', '');
        INSERT INTO clients VALUES ('192.0.2.4', NULL);
        INSERT INTO clients VALUES ('192.0.2.5', '00');
        """;

    // The pattern's text does not change while a test runs.
    private const string Chain = """
        <Plugin settings>
          module = "SqlUserConfig"
        </Plugin>
        <Plugin known>
          module = "SqlList"
          sql_query = "SELECT known FROM clients WHERE address = ?"
          uc_enabled = "list"
          score = -1
        </Plugin>
        <Plugin refused>
          module = "SqlList"
          sql_query = "SELECT address FROM clients WHERE address = ? AND address LIKE '%.5'"
          match_action = "reject 192.0.2.5 is on the list"
        </Plugin>
        <Plugin senders>
          module = "SqlList"
          sql_query = "SELECT 1 FROM user_config WHERE address = ?"
          field = "sender"
          score = 0.5
        </Plugin>
        <Plugin quota>
          module = "Quota"
          field = "client_address"
          uc_field = "by"
          metric = "count"
          uc_metric = "metric"
          threshold = 25
          uc_threshold = "limit"
          uc_action = "refusal"
          uc_enabled = "quota"
          time_pattern = "%C"
        </Plugin>
        <Plugin bytes>
          module = "Quota"
          field = "sasl_username"
          metric = "size_rcpt"
          threshold = 20000
          action = "defer too many bytes"
          time_pattern = "%C"
        </Plugin>
        <Plugin count>
          module = "Accounting"
          fields = "client_address,recipient,sasl_username"
          time_pattern = "%C"
        </Plugin>
        <Plugin named>
          module = "SqlList"
          sql_query = "SELECT address FROM user_config WHERE ? <> ''"
          field = "sasl_username"
          not_match_action = "reject nobody is logged in"
        </Plugin>
        <Plugin tag>
          module = "AddScoreHeader"
          uc_spam_score = "spam"
        </Plugin>
        """;

    private static readonly Dictionary<string, string[]> Attributes = new()
    {
        ["client_address"] = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6", "2001:db8::25", ""],
        ["sender"] = ["", "few@example.org", "other@example.org"],
        ["sasl_username"] = ["", "alice", "bob", "ömer"],
        ["size"] = ["0", "1", "999", "5000"],
        ["recipient_count"] = ["0", "1", "3"],
        ["recipient"] = [
            "few@example.org", "many@example.org", "field@example.org", "off@example.org", "broken@example.org", "empty@example.org",
            "nothing@example.org", "none@example.org", ""
        ],
    };

    [Theory]
    [InlineData("SQLite", "Memcached")]
    [InlineData("SQLite", "None")]
    [InlineData("MariaDB", "Memcached")]
    public async Task Both_servers_answer_and_count_the_same(string database, string sessionCache)
    {
        var dsn = database == "SQLite"
            ? new Dictionary<string, string>
            {
                ["theirs"] = "dbi:SQLite:dbname=@OWN@/db.sqlite",
                ["ours"] = "dbi:SQLite:dbname=@OWN@/db.sqlite"
            }
            : new Dictionary<string, string> { ["theirs"] = await mariaDb.NewDatabase(), ["ours"] = await mariaDb.NewDatabase() };
        var tables = new Dictionary<string, string>();
        await DifferentialRun.HoldsAsync(
            new DifferentialSetup($"SQL on {database}, sessions {sessionCache}", Chain)
            {
                SessionCache = sessionCache,
                Connections = """
                    <Connection db>
                      module = "Sql"
                      dsn = "@DSN@"
                      user = "policyd"
                      password = "secret"
                    </Connection>
                    """,
                ForSide = (side, text) => text.Replace("@DSN@", dsn[side], StringComparison.Ordinal),
                Prepare = folder => PrepareAsync(folder, dsn[Path.GetFileName(folder)]),
                Attributes = Attributes,
                LeastAnswers = 8,
                RepeatsRecipients = false,
                MostRecipients = sessionCache == "None" ? 1 : 4,
                Mails = sessionCache == "None" ? 400 : 200,
                AtEnd = async folder => tables[Path.GetFileName(folder)] = await CountsAsync(folder, dsn[Path.GetFileName(folder)]),
            },
            output);
        Assert.Equal(tables["theirs"], tables["ours"]);
        Assert.NotEmpty(tables["ours"]);
    }

    [Fact]
    public Task Settings_that_are_no_object_cost_a_request_there_and_nothing_here() => DifferentialRun.HoldsAsync(
        new DifferentialSetup("SqlUserConfig, settings that are no object", """
            <Plugin settings>
              module = "SqlUserConfig"
            </Plugin>
            <Plugin tag>
              module = "AddScoreHeader"
              uc_spam_score = "spam"
            </Plugin>
            """)
        {
            Connections = """
                <Connection db>
                  module = "Sql"
                  dsn = "dbi:SQLite:dbname=@OWN@/db.sqlite"
                </Connection>
                """,
            Prepare = folder => PrepareAsync(folder, ""),
            Mails = 40,
            MostRecipients = 1,
            LeastAnswers = 2,
            Attributes = new Dictionary<string, string[]>
            {
                ["recipient"] = ["array@example.org", "few@example.org", "broken@example.org", "none@example.org"]
            },
            Intended = [new(
                "SqlUserConfig: settings that are no JSON object",
                (request, theirs, _) => theirs == DifferentialRun.NoAnswer && request.Recipient == "array@example.org")],
        },
        output);

    private async Task PrepareAsync(string folder, string dsn)
    {
        if (dsn.StartsWith("dbi:mysql:", StringComparison.Ordinal))
        {
            await mariaDb.Execute($"USE {NameIn(dsn)}; {Tables}");
            return;
        }

        SqliteFile.Execute($"{folder}/db.sqlite", Tables);
    }

    private async Task<string> CountsAsync(string folder, string dsn)
    {
        string[] tables = ["client_address", "recipient", "sasl_username"];
        var rows = new List<string>();
        if (dsn.StartsWith("dbi:mysql:", StringComparison.Ordinal))
        {
            foreach (var table in tables)
            {
                rows.Add(await mariaDb.Query(
                    $"SELECT '{table}', `key`, time, count, count_rcpt, size, size_rcpt FROM {NameIn(dsn)}.acct_{table} ORDER BY `key`"));
            }

            return string.Join('\n', rows);
        }

        return string.Join('\n', tables.SelectMany(table => SqliteFile.Rows(
            $"{folder}/db.sqlite",
            $"SELECT '{table}', \"key\", time, count, count_rcpt, size, size_rcpt FROM acct_{table} ORDER BY \"key\"",
            separator: '\t')));
    }

    private static string NameIn(string dsn) => dsn.Split("database=")[1].Split(';')[0];
}
