using Microsoft.Extensions.Logging;
using Policyd.Tests.Plugins;
using Policyd.Tests.Support;

namespace Policyd.Tests.Remote;

/// <summary>A source that is away is told of in a few lines, however many mails go on without it: in every module that has one.</summary>
public sealed class SourceAwaySpecs
{
    private const string Dead = "127.0.0.1:1";   // nobody listens on it
    private const string MySql =
        "connections { db { module = Sql, dsn = \"dbi:mysql:database=x;host=127.0.0.1;port=1\", user = u, password = p } }";
    private const string Postgres =
        "connections { db { module = Sql, dsn = \"dbi:Pg:dbname=x;host=127.0.0.1;port=1\", user = u, password = p } }";
    private const string SqliteGone =
        "connections { db { module = Sql, dsn = \"Data Source=/nonexistent/folder/x.db\", provider = SQLite } }";
    private const string Memcached = $"connections {{ memcached {{ module = Memcached, servers = \"{Dead}\" }} }}";
    private const string Redis = $"connections {{ redis {{ module = Redis, server = \"{Dead}\" }} }}";
    private const string Ldap = "connections { ldap { module = Ldap, host = \"127.0.0.1\", port = 1 } }";

    public static TheoryData<string, string, string> Sources => new()
    {
        { "Greylist, MySQL", MySql, "{ name = p, module = Greylist, ticket { module = Sql } }" },
        { "Greylist, PostgreSQL", Postgres, "{ name = p, module = Greylist, ticket { module = Sql } }" },
        { "Greylist, SQLite", SqliteGone, "{ name = p, module = Greylist, ticket { module = Sql } }" },
        {
            "Greylist, memcached", Memcached,
            "{ name = p, module = Greylist, ticket { module = Memcached }, use_autowl = off, query_autowl = off }"
        },
        { "Greylist, Redis", Redis, "{ name = p, module = Greylist, ticket { module = Redis }, awl { module = Redis } }" },
        { "Honeypot, MySQL", MySql, "{ name = p, module = Honeypot, store = Sql, recipients = [\"trap@example.org\"] }" },
        { "Honeypot, memcached", Memcached, "{ name = p, module = Honeypot, store = Memcached, recipients = [\"trap@example.org\"] }" },
        { "Honeypot, Redis", Redis, "{ name = p, module = Honeypot, store = Redis, recipients = [\"trap@example.org\"] }" },
        { "SqlList, MySQL", MySql, "{ name = p, module = SqlList, on_error = continue }" },
        { "SqlList, PostgreSQL, on_error = fail", Postgres, "{ name = p, module = SqlList, sql_query = \"SELECT 1 FROM w WHERE c=?\" }" },
        { "SqlUserConfig, MySQL", MySql, "{ name = p, module = SqlUserConfig, on_error = continue }" },
        { "SqlUserConfig, SQLite", SqliteGone, "{ name = p, module = SqlUserConfig, on_error = \"dunno\" }" },
        {
            "LdapUserConfig", Ldap,
            "{ name = p, module = LdapUserConfig, basedn = \"dc=example\", filter = \"(mail=%s)\", filter_field = "
                + "recipient, config_fields = \"a\" }"
        },
        { "CtIpRep", "", $"{{ name = p, module = CtIpRep, url = \"http://{Dead}/\" }}" },
        { "Fail2Ban", "", "{ name = p, module = Fail2Ban, socket = \"/nonexistent/fail2ban.sock\" }" },
        { "SMTPVerify", "", "{ name = p, module = SMTPVerify, host = \"127.0.0.1\", port = 1, temp_fail_score = 1 }" },
        { "Proxy", "", $"{{ name = p, module = Proxy, host = \"{Dead}\", on_error = continue }}" },
        { "Proxy, on_error = fail", "", "{ name = p, module = Proxy, socket_path = \"/nonexistent/policy.sock\" }" },
        {
            "RBL", $"dns {{ servers = [\"{Dead}\"], timeout = 100ms, retries = 0 }}",
            "{ name = p, module = RBL, domain = list.example.org }"
        },
        {
            "DBL", $"dns {{ servers = [\"{Dead}\"], timeout = 100ms, retries = 0 }}",
            "{ name = p, module = DBL, domain = list.example.org }"
        },
        { "SPF", $"dns {{ servers = [\"{Dead}\"], timeout = 100ms, retries = 0 }}", "{ name = p, module = SPF }" },
        { "GeoIPLookup", "", "{ name = p, module = GeoIPLookup, database = \"/nonexistent/geo.mmdb\" }" },
        { "PostfixMap", "", "{ name = p, module = PostfixMap, db_file = \"lmdb:/nonexistent/map\" }" },
        { "SaAwlLookup", "", "{ name = p, module = SaAwlLookup, db_file = \"/nonexistent/awl\" }" },
    };

    [Theory]
    [MemberData(nameof(Sources))]
    public async Task Two_hundred_mails_without_their_source_are_a_few_lines(string what, string connections, string plugin)
    {
        await using var policy = PolicyUnderTest.Of(
            $"policyd {{ {connections}\n virtual_hosts = [ {{ name = test, port = 12345, plugins = [ {plugin} ] }} ] }}");
        policy.Timeout = TimeSpan.FromSeconds(3);
        for (var mail = 0; mail < 200; mail++)
        {
            policy.NewMail();
            await policy.AskAsync(
                ("sender", $"s{mail}@example.org"),
                ("recipient", "b@example.org"),
                ("helo_name", "mail.example.org"),
                ("client_name", "mail.example.org"));
        }

        var lines = policy.Log.Lines.Where(static line => line.Level >= LogLevel.Information).Select(static line => line.Message).ToList();

        // A name that was not looked up is told at the plugin's log_level, a file that cannot be read at the start.
        var least = what is "RBL" or "DBL" or "SPF" or "GeoIPLookup" or "PostfixMap" or "SaAwlLookup" ? 0 : 1;
        Assert.True(lines.Count >= least && lines.Count <= 6, $"{what}: {lines.Count} lines, such as {string.Join("\n", lines.Take(10))}");
    }
}
