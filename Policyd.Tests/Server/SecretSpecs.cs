using System.Text.RegularExpressions;
using Policyd.Backends.Dsn;
using Policyd.Backends.Sql;
using Policyd.Configuration;
using Policyd.Configuration.Options;
using Policyd.Configuration.Tree;
using Policyd.Engine.Building;
using Policyd.Engine.Loading;
using Policyd.Engine.Model;
using Policyd.Modules;
using Policyd.Plugins.Api;
using Policyd.Plugins.Sql;
using Policyd.Protocol;
using Policyd.Tests.Support;
using Xunit;

namespace Policyd.Tests.Server;

/// <summary>A marker stands for the secret of every option that has one; nothing that the executable prints or logs may hold it.</summary>
public sealed partial class SecretSpecs : IDisposable
{
    private const string Marker = "hunter2MARK";
    private readonly TemporaryFolder _folder = new();

    // Named like a secret, and none: the place where a value is found, or a name of something. The key of cluster { tls } is a file.
    private static readonly string[] s_open =
    [
        "Condition.key", "RegexList.key", "SetField.key", "Accounting.key", "Quota.key", "SqlList.key", "max_keepalive", "Proxy.keepalive",
        "keepalive_timeout", "Ldap.keepalive", "Greylist.key", "key",
    ];

    public void Dispose() => _folder.Dispose();

    [GeneratedRegex("passw|pwd|secret|token|key|credential|dsn|(^|_)ur[il]$")]
    private static partial Regex LikeASecret();

    private static IEnumerable<(string Owner, OptionDescription Option)> AllOptions()
    {
        // The rooms that have options: what plugins use, drivers, modules, the model.
        Type[] types = [.. new[] { typeof(Plugin), typeof(SqlConnectionOptions), typeof(ActionPlugin), typeof(ModuleRegistry) }.SelectMany(
            one => one.Assembly.GetTypes())];
        var connections = types.Where(type => type.Name.EndsWith("ConnectionOptions", StringComparison.Ordinal) && type.IsClass)
            .Select(type => (Owner: type.Name[..^"ConnectionOptions".Length], Type: type));
        var others = types.Where(type => type.Name.EndsWith("Options", StringComparison.Ordinal)
            && !type.Name.EndsWith("ConnectionOptions", StringComparison.Ordinal) && type is { IsClass: true, IsAbstract: false })
                .Select(type => (Owner: "", Type: type));
        var modules = ModuleRegistry.BuiltIn.Modules.Select(type => (Owner: Plugin.ModuleNameOf(type), Type: type));
        return connections.Concat(others).Concat(modules).SelectMany(one => All(one.Owner, OptionSchema.Of(one.Type)));
    }

    private static IEnumerable<(string Owner, OptionDescription Option)> All(string owner, OptionSchema schema) =>
        schema.Options.SelectMany(option => option.Nested is { } inner && inner.Type != schema.Type
            ? All(owner, inner).Prepend((owner, option))
            : [(owner, option)]);

    [Fact]
    public void Option_that_is_named_like_a_secret_is_declared_one_or_known_to_be_none()
    {
        var undeclared = AllOptions().Where(one => one.Option.Secret is null && LikeASecret().IsMatch(one.Option.Name))
            .Select(one => one.Owner.Length == 0 ? one.Option.Name : $"{one.Owner}.{one.Option.Name}");
        Assert.Equal([], undeclared.Where(name => !s_open.Contains(name)
            && !s_open.Contains(name.Replace(".uc_", ".", StringComparison.Ordinal))).ToArray());
    }

    [Fact]
    public void Secret_options_are_these_and_each_stands_in_the_configuration_that_the_other_tests_use()
    {
        var secret = AllOptions().Where(one => one.Option.Secret is not null)
            .Select(one => (one.Owner, one.Option.Name))
            .Distinct()
            .Order()
            .ToArray();
        Assert.Superset(
            new HashSet<(string, string)>
            {
                ("Sql", "dsn"), ("Sql", "password"), ("Ldap", "password"), ("Redis", "password"), ("CtIpRep", "url"), ("CtIpRep", "key"),
                ("RBL", "key"), ("DBL", "domain"), ("", "token"), ("", "endpoint")
            },
            secret.ToHashSet());
        var text = Configuration(1, 2);
        Assert.All(
            secret,
            one =>
            {
                var owner = one.Owner.Length == 0 ? "" : $@"module = {one.Owner}\b[^}}]*";
                Assert.Matches(new Regex($@"{owner}\b{one.Name} = ([^\n]*{Marker}|\$\{{secret\}})"), text);
            });
    }

    // Nothing listens on the port of the backends: each tells that its server is away.
    private string Configuration(int port, int closed) => $$"""
        policyd {
          listen = "127.0.0.1:{{port}}"
          log_level = 4
          request_timeout = 20s
          admin { listen = off }
          http { listen = "127.0.0.1:{{FreePort.Next()}}"
            token = "{{Marker}}" }
          otlp { traces = 1, interval = 1s
            endpoint = "http://me:{{Marker}}@127.0.0.1:{{closed}}" }
          dns { servers = ["127.0.0.1:{{closed}}"], timeout = 1s }
          connections {
            my { module = Sql, user = u
              password = "a,{{Marker}}"
              dsn = "dbi:mysql:database=d;host=127.0.0.1;port={{closed}};password=b,{{Marker}}" }
            pg { module = Sql, provider = PostgreSQL, user = u
              dsn = "Host=127.0.0.1;Port={{closed}};Database=d;Password='x;{{Marker}}'" }
            lite { module = Sql
              dsn = "Data Source={{_folder["none/x.db"]}};Password=\"{{Marker}}, y\"" }
            redis { module = Redis, server = "127.0.0.1:{{closed}}"
              password = "{{Marker}}" }
            ldap { module = Ldap, host = 127.0.0.1, port = {{closed}}, starttls = off, binddn = "cn=x"
              password = ${secret} }
          }
          session_cache { module = Redis }
          virtual_hosts = [ { name = v, port = {{port}}, plugins = [
            { name = rep, module = CtIpRep, on_error = continue
              url = "http://me:{{Marker}}@127.0.0.1:{{closed}}/x?token={{Marker}}"
              key = "k \"{{Marker}}\"" }
            { name = rbl, module = RBL
              domain = "%KEY%.x{{Marker}}x12345678901.zen.test"
              key = "{{Marker}}" }
            { name = dbl, module = DBL
              domain = "%KEY%.x{{Marker}}x12345678901.dbl.test"
              key = "{{Marker}}" }
            { name = list-my, module = SqlList, db = my, on_error = continue, match_action = reject }
            { name = list-pg, module = SqlList, db = pg, on_error = continue, match_action = reject }
            { name = list-lite, module = SqlList, db = lite, on_error = continue, match_action = reject }
            { name = user, module = LdapUserConfig, filter = "(uid=%s)", config_fields = a, on_error = continue }
            { name = grey, module = Greylist, on_error = continue, ticket { module = Redis }, awl { module = Redis } }
            { name = count-my, module = Accounting, fields = client_address, db = my, wait = 1s }
            { name = count-pg, module = Accounting, fields = client_address, db = pg, wait = 1s }
          ] } ]
        }
        secret = {{"\"\"\""}}{{Marker}}
        second line {{Marker}}{{"\"\"\""}}
        """;

    [ServerTest]
    [Fact]
    public async Task Dump_and_check_show_no_secret_whatever_its_form()
    {
        var file = _folder.Write("p.hocon", Configuration(FreePort.Next(), FreePort.Next()));
        foreach (var verb in new string[][] { ["check"], ["check", "--offline"] })
        {
            var result = await Command.RunAsync("", [.. verb, "-c", file]);
            Assert.Equal(0, result.ExitCode);
            Assert.DoesNotContain(Marker, result.Output + result.Error, StringComparison.OrdinalIgnoreCase);
        }

        var dump = await Command.RunAsync("", "dump", "-c", file);
        Assert.DoesNotContain(Marker, dump.Output + dump.Error, StringComparison.Ordinal);
        var lines = dump.Output.Split('\n').Select(line => line.Trim().Split("  #")[0].TrimEnd()).ToArray();
        Assert.Equal(3, lines.Count(line => line == "password = ***"));
        Assert.Equal(3, lines.Count(line => line == "key = ***"));
        Assert.Contains("token = ***", lines);
        Assert.Contains(lines, line => Regex.IsMatch(line, @"^endpoint = http://\*\*\*@127\.0\.0\.1:\d+$"));
        Assert.Contains("domain = %KEY%.***.zen.test", lines);
        Assert.Contains("domain = %KEY%.***.dbl.test", lines);
        Assert.Contains(lines, line => Regex.IsMatch(line, @"^url = http://\*\*\*@127\.0\.0\.1:\d+/x\?token=\*\*\*$"));
        Assert.Contains(lines, line => Regex.IsMatch(line, @"^dsn = dbi:mysql:database=d;host=127\.0\.0\.1;port=\d+;password=\*\*\*$"));
        Assert.Contains(lines, line => Regex.IsMatch(line, @"^dsn = Host=127\.0\.0\.1;Port=\d+;Database=d;Password=\*\*\*$"));
    }

    [Theory]
    [InlineData("redis { module = Redis, password = [a, hunter2MARK] }")]
    [InlineData("redis { module = Redis, password { a = hunter2MARK } }")]
    [InlineData("redis { module = Redis, password = \"x\" {a = hunter2MARK} }")]
    [InlineData("redis { module = Redis, password = x,hunter2MARK }")]
    [InlineData("redis { module = Redis, password = x,hunter2MARK = y }")]
    [InlineData("redis { module = Redis, password = x,hunter2MARK.a = y }")]
    [InlineData("redis { module = Redis, password hunter2MARK }")]
    [InlineData("redis { module = Redis, password = x\"hunter2MARK }")]
    [InlineData("redis { module = Redis, password = [x] hunter2MARK }")]
    [InlineData("redis { module = Redis, password = x$hunter2MARK }")]
    [InlineData("redis { module = Redis, password = \"\"\"x\nhunter2MARK\"\" }")]
    [InlineData("redis { module = Redis, password = x]hunter2MARK }")]
    [InlineData("redis { module = Redis, password = x:hunter2MARK }")]
    [InlineData("redis { module = Redis, server = \"redis://:hunter2MARK@127.0.0.1:1\" }")]
    [InlineData("redis { module = Redis, server = \"127.0.0.1:1,password=hunter2MARK\" }")]
    [InlineData("redis { module = Redis, sentinels = \"redis://:hunter2MARK@127.0.0.1:1\", service = x }")]
    [InlineData("m { module = Memcached, servers = \"me:hunter2MARK@127.0.0.1:1\" }")]
    [InlineData("my { module = Sql, dsn = hunter2MARK }")]
    [InlineData("my { module = Sql, dsn = [ \"dbi:mysql:database=d\", hunter2MARK ] }")]
    [InlineData("my { module = Sql, dsn = \"dbi:mysql:database=d;pass=hunter2MARK\" }")]
    [InlineData("my { module = Sql, dsn = \"dbi:mysql:database=d;password=a;hunter2MARK=3\" }")]
    [InlineData("my { module = Sql, dsn = \"dbi:hunter2MARK:database=d\" }")]
    [InlineData("my { module = Sql, provider = MySQL, dsn = \"Server=h;Database=d;Password=a;hunter2MARK=4\" }")]
    [InlineData("my { module = Sql, provider = MySQL, dsn = \"Server=h;Database=d;Password=a;hunter2MARK\" }")]
    [InlineData("my { module = Sql, provider = PostgreSQL, dsn = \"Host=h;Database=d;Password='a;hunter2MARK\" }")]
    public void Error_about_a_connection_shows_no_secret(string connection)
    {
        var errors = Errors(ConfigurationFile.Read(_folder.Write(
            "p.hocon", $"policyd {{ listen = \"127.0.0.1:1\", virtual_hosts = [ {{ name = v }} ], connections {{ {connection} }} }}")));
        Assert.Contains("p.hocon:", errors, StringComparison.Ordinal);
        Assert.DoesNotContain(Marker, errors, StringComparison.OrdinalIgnoreCase);
    }

    // As the verbs do it; that they print nothing else is tested with the executable below.
    private static string Errors(ConfigDocument document)
    {
        if (!document.Diagnostics.HasErrors)
        {
            Assert.Null(ModelBuilder.Build(document, new ModelEnvironment()));
        }

        return string.Join('\n', document.Diagnostics.All);
    }

    [ServerTest]
    [Fact]
    public async Task Verbs_show_no_secret_in_their_errors()
    {
        var file = _folder.Write("p.hocon", $$"""
            policyd { listen = "127.0.0.1:1", virtual_hosts = [ { name = v } ], connections {
              a { module = Redis, password = [a, {{Marker}}] }
              b { module = Redis, password = x,{{Marker}} = y }
              c { module = Sql, dsn = {{Marker}} }
              d { module = Sql, dsn = "dbi:mysql:database=d;pass={{Marker}}" }
            } }
            """);
        foreach (var verb in new[] { "check", "dump", "serve" })
        {
            var result = await Command.RunAsync("", verb, "-c", file);
            Assert.Equal(78, result.ExitCode);
            Assert.Contains("secret and not shown", result.Error, StringComparison.Ordinal);
            Assert.DoesNotContain(Marker, result.Output + result.Error, StringComparison.OrdinalIgnoreCase);
        }
    }

    [Theory]
    [InlineData("dbi:Pg:dbname=d host=127.0.0.1 password=hunter2MARK", "dbi:Pg:dbname=d;host=127.0.0.1;password=***")]
    [InlineData("dbi:Pg:dbname=d password = hunter2MARK port=5", "dbi:Pg:dbname=d;***;***;***;port=5")]
    [InlineData("dbi:Pg:dbname=d;password='a\\' host=hunter2MARK' port=5", "dbi:Pg:dbname=d;password=***;port=5")]
    [InlineData("dbi:Pg:dbname=d;password=a\\ host=hunter2MARK\\;port=hunter2MARK;port=5", "dbi:Pg:dbname=d;password=***;port=5")]
    [InlineData(
        "dbi:mysql:database=d:host=127.0.0.1:port=3:password=hunter2MARK", "dbi:mysql:database=d;host=127.0.0.1;port=3;password=***")]
    [InlineData("DBI:MariaDB:d:[::1]:3;password=hunter2MARK", "DBI:MariaDB:d;***;***;password=***")]
    [InlineData("dbi:mysql:d;host=[2001:db8::1];mysql_init_command=SET @k='hunter2MARK'", "dbi:mysql:d;host=[2001:db8::1];***")]
    [InlineData("dbi:mysql:host=h:user=u hunter2MARK=hunter2MARK", "dbi:mysql:host=h;***")]
    [InlineData("dbi:SQLite:dbname=/var/lib/a=b.db", "dbi:SQLite:dbname=/var/lib/a=b.db")]
    [InlineData("Server=a'b;Password=hunter2MARK", "***")]
    [InlineData("Server=h;Database=\"a b\";Password='hunter2;Server=MARK'", "Server=h;Database=\"a b\";Password=***")]
    public void Dsn_is_shown_without_what_may_be_a_secret_however_its_settings_are_separated(string dsn, string shown) =>
        Assert.Equal(shown, new SecretInDsnAttribute().Hide(dsn));

    [Theory]
    [InlineData("<Connection redis>\nmodule=Redis\npassword = \"hunter2MARK\nserver=1:2:3\n</Connection>")]
    [InlineData("<Connection redis>\nmodule=Redis\npassword <<E\nhunter2MARK\n</Connection>")]
    [InlineData("<Connection redis>\nmodule=Redis\npassword = a\\\n<hunter2MARK\nserver=1:2:3\n</Connection>")]
    [InlineData("<Connection redis>\nmodule=Redis\npassword = <<hunter2MARK\n</Connection>")]
    [InlineData("<Connection redis>\nmodule=Redis\n<password hunter2MARK\n</Connection>")]
    [InlineData("<Connection redis password=hunter2MARK\nmodule=Redis\n</Connection>")]
    [InlineData("<Connection redis>\nmodule=Redis\npassword = x\npassword = hunter2MARK\n</Connection>")]
    [InlineData("<Connection my>\nmodule=Sql\ndsn=dbi:mysql:d\npassword = 'hunter2MARK'\nprovider=x\n</Connection>")]
    [InlineData("<VirtualHost 1>\nname=v\n<Plugin p>\nmodule=CtIpRep\nkey=hunter2MARK\nurl=me:hunter2MARK@h\n</Plugin>\n</VirtualHost>")]
    public void Error_about_an_mtpolicyd_conf_shows_no_secret(string text)
    {
        var errors = Errors(ConfigurationFile.Read(_folder.Write("p.conf", text + "\n")));
        Assert.Contains("p.conf:", errors, StringComparison.Ordinal);
        Assert.DoesNotContain(Marker, errors, StringComparison.OrdinalIgnoreCase);
    }

    [ServerTest]
    [Fact]
    public async Task Log_of_a_server_whose_backends_are_all_away_shows_no_secret_at_its_highest_level()
    {
        var port = FreePort.Next();
        await using var server = await PolicydProcess.Serve(
            _folder.Write("p.hocon", Configuration(port, FreePort.Next())), port, "-l", "4");
        await using var client = await PolicyClient.ConnectAsync(
            PolicyEndpoint.Tcp("127.0.0.1", port), TestContext.Current.CancellationToken);
        var request = PolicyRequestBuilder
            .AccessPolicy()
            .Add("instance", "i")
            .Add("protocol_state", "RCPT")
            .Add("client_address", "192.0.2.1")
                .Add("sender", "a@example.org").Add("recipient", "b@example.org").Add("sasl_username", "u").ToBytes();
        Assert.NotEqual("", await client.AskAsync(request, TestContext.Current.CancellationToken));
        await server.Prints("redis");
        server.Terminate();
        await server.Exits();
        Assert.DoesNotContain(server.Lines, line => line.Contains(Marker, StringComparison.Ordinal));
    }
}
