using Policyd.Tests.Support;

namespace Policyd.Tests.Server;

/// <summary>What an operator writes in <c>cluster { }</c>, through the real command: each mistake is told at its place.</summary>
[ServerTest]
public sealed class ClusterConfigurationSpecs : IDisposable
{
    private const string Postgres = "dbi:Pg:dbname=mail;host=127.0.0.1;port=1";
    private const string Tls = """tls { certificate = /c, key = /k, ca_file = /a, names = "mx*.example.org" }""";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("""listen = "127.0.0.1:4053", db = db""")]
    [InlineData("""listen = "127.0.0.1:4053", db = db, seeds = "mx1:4053, [2001:db8::1]:4053", failure_after = 1s, decide_after = 60""")]
    public async Task Cluster_on_loopback_needs_no_tls(string cluster)
    {
        var result = await CheckAsync(cluster);
        const string Unused = "3:10: warning: connection lite: nothing uses it; refer to it in a plugin, or remove it\n";
        Assert.Equal((0, $"{_folder["policyd.hocon"]}:{Unused}"), (result.ExitCode, result.Error));
    }

    [Fact]
    public async Task Plaintext_that_is_allowed_is_a_warning()
    {
        var result = await CheckAsync("""listen = "10.0.0.1:4053", db = db, allow_plaintext = on""");
        Assert.Equal(0, result.ExitCode);
        Assert.Contains(
            ":4:66: warning: cluster: there is no TLS on 10.0.0.1:4053: every host", result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("db = db", "4:11: cluster needs the option \"listen\" (where this node listens for the other nodes")]
    [InlineData("listen = \"127.0.0.1:4053\"", "4:11: cluster needs the option \"db\" (the SQL connection")]
    [InlineData("listen = \"127.0.0.1\", db = db", "4:22: listen: \"127.0.0.1\" has no port")]
    [InlineData("listen = \"127.0.0.1:0\", db = db", "4:22: listen: \"127.0.0.1:0\": port 0")]
    [InlineData("listen = \"127.0.0.1:4053\", db = db, sedes = []", "4:49: unknown option \"sedes\" of cluster; did you mean \"seeds\"?")]
    [InlineData("listen = \"mx1:4053\", db = db, " + Tls, "4:22: cluster: listen: \"mx1:4053\" is a name; give the address")]
    [InlineData("listen = \"0.0.0.0:4053\", db = db, " + Tls, "4:22: cluster: listen: 0.0.0.0:4053 means all addresses; set advertise")]
    [InlineData(
        "listen = \"127.0.0.1:4053\", advertise = \"[::]:4053\", db = db",
        "4:52: cluster: advertise: [::]:4053 is not an address that another node can reach")]
    [InlineData("listen = \"10.0.0.1:4053\", db = db", "4:22: cluster: listen: 10.0.0.1:4053 can be reached from other hosts")]
    [InlineData(
        "listen = \"127.0.0.1:4053\", db = none", "4:45: cluster: db: there is no SQL connection \"none\"; available: db")]
    [InlineData(
        "listen = \"127.0.0.1:4053\", db = lite",
        "4:45: cluster: db: connection lite is a SQLite file, which the other nodes of the cluster do not have; use PostgreSQL or MariaDB")]
    [InlineData("listen = \"127.0.0.1:4053\", db = db, seeds = [\"mx1:4053\", \"mx2\"]", "4:70: seeds: \"mx2\" has no port")]
    [InlineData("listen = \"127.0.0.1:4053\", db = db, seeds = [\"mx1:1\", \"0.0.0.0:1\"]", "4:67: cluster: seeds: 0.0.0.0:1 is not an")]
    [InlineData(
        "listen = \"127.0.0.1:4053\", db = db, failure_after = 500ms",
        "4:65: cluster: failure_after: must be from 1s to 1m, found 500ms")]
    [InlineData(
        "listen = \"127.0.0.1:4053\", db = db, decide_after = 2m", "4:64: cluster: decide_after: must be from 1s to 1m, found 2m")]
    [InlineData(
        "listen = \"127.0.0.1:4053\", db = db, tls { certificate = /c, names = a }",
        "4:53: tls needs the option \"key\" (the PEM file with the certificate's private key, without a password)")]
    [InlineData(
        "listen = \"127.0.0.1:4053\", db = db, tls { certificate = /c, key = /k, ca_file = /a }", "4:53: tls needs the option \"names\"")]
    [InlineData(
        "listen = \"127.0.0.1:4053\", db = db, tls { certificate = /c, key = /k, ca_file = /a, names = [] }",
        "4:105: cluster: tls: names: the list is empty, so this node would refuse every other")]
    [InlineData(
        "listen = \"127.0.0.1:4053\", db = db, tls { certificate = /c, key = /k, ca_file = /a, names = [a, \"b:1\"] }",
        "4:109: names: expected a host name, in which * stands for characters other than a dot, or an address; found \"b:1\"")]
    public async Task Mistake_is_told_at_its_place(string cluster, string expected)
    {
        var result = await CheckAsync(cluster);
        Assert.Equal(78, result.ExitCode);
        Assert.Contains($"{_folder["policyd.hocon"]}:{expected}", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Counter_table_and_record_of_runs_on_SQLite_are_errors_at_their_places()
    {
        var result = await CheckAsync(
            """listen = "127.0.0.1:4053", db = db""",
            """
            { name = q, module = Quota, field = sender, metric = count, threshold = 1, db = lite }
            { name = a, module = Accounting, fields = sender, db = lite }
            """,
            "cron { db = lite }");
        Assert.Equal(78, result.ExitCode);
        const string OnlyHere = "connection lite is a SQLite file, which the other nodes of the cluster do not have; ";
        Assert.Equal(
            [
                $":7:81: plugin q: db: {OnlyHere}the counters of a cluster need PostgreSQL or MariaDB",
                $":8:56: plugin a: db: {OnlyHere}the counters of a cluster need PostgreSQL or MariaDB",
                $":5:13: cron: db: {OnlyHere}the record of runs must be common to all nodes of the cluster",
            ],
            result.Error.TrimEnd('\n').Split('\n').Select(line => line[_folder["policyd.hocon"].Length..]));
    }

    [Theory]
    [InlineData("none", "0", null)]
    [InlineData("expired", "0", "certificate: warning: cluster: tls: certificate: the certificate in * expired at ")]
    [InlineData("soon", "0", "certificate: warning: cluster: tls: certificate: the certificate in * expires at ")]
    [InlineData("foreign", "78", "certificate: cluster: tls: certificate: the certificate in * is not issued by an authority of ca_file; ")]
    [InlineData("name", "78", "certificate: cluster: tls: certificate: the certificate in * is for mail.example.org, which is none")]
    [InlineData("key", "78", "key: cluster: tls: key: the key in * does not belong to the first certificate in ")]
    [InlineData("missing", "78", "ca_file: cluster: tls: ca_file: there is no file *")]
    [InlineData("no key", "78", "key: cluster: tls: key: * holds no private key in PEM format")]
    [InlineData("password", "78", "key: cluster: tls: key: the key in * has a password; store it without one")]
    [InlineData("no certificate", "78", "certificate: cluster: tls: certificate: * holds no certificate in PEM format")]
    public async Task File_of_TLS_is_judged_as_the_other_nodes_judge_it(string kind, string code, string? expected)
    {
        using var authority = new TestAuthority();
        using var foreign = new TestAuthority();
        var (certificate, key) = (kind == "foreign" ? foreign : authority).Issue(
            [kind == "name" ? "mail.example.org" : "mx1.example.org"],
            until: kind switch { "expired" => TimeSpan.FromHours(-1), "soon" => TimeSpan.FromDays(5), _ => null });
        (certificate, key) = kind switch
        {
            "key" => (certificate, foreign.Issue(["mx1.example.org"]).Key),
            "no key" => (certificate, certificate),
            "password" => (certificate, "-----BEGIN ENCRYPTED PRIVATE KEY-----\n-----END ENCRYPTED PRIVATE KEY-----\n"),
            "no certificate" => ("", key),
            _ => (certificate, key),
        };
        var ca = kind == "missing" ? _folder["gone.pem"] : _folder.Write("ca.pem", authority.Pem);
        var cluster = $$"""
            listen = "10.0.0.1:4053", db = db, tls {
              certificate = "{{_folder.Write("node.pem", certificate)}}"
              key = "{{_folder.Write("node.key", key)}}"
              ca_file = "{{ca}}"
              names = "mx*.example.org"
            }
            """;
        var result = await CheckAsync(cluster);
        Assert.Equal(code, $"{result.ExitCode}");
        var lines = result.Error.Split('\n').Where(line => line.Contains("cluster: tls", StringComparison.Ordinal)).ToList();
        if (expected is null)
        {
            Assert.Empty(lines);
            return;
        }

        // The options are in lines 5 to 7; the file that is at fault is the one that its message names first.
        var (option, message) = (expected[..expected.IndexOf(':')], expected[(expected.IndexOf(':') + 2)..]);
        var (line, file) = option switch
        {
            "certificate" => ("5:17", "node.pem"),
            "key" => ("6:9", "node.key"),
            _ => ("7:13", "gone.pem"),
        };
        var shown = $"{_folder["policyd.hocon"]}:{line}: {message.Replace("*", _folder[file], StringComparison.Ordinal)}";
        Assert.StartsWith(shown, Assert.Single(lines), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Dump_shows_the_options_and_hides_no_path()
    {
        var result = await Command.RunAsync("", "dump", "-c", Write($"listen = \"10.0.0.1:4053\", db = db, {Tls}"));
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        string[] expected =
            ["  cluster", "    listen = 10.0.0.1:4053", "    tls", "      key = /k", "      names = mx*.example.org"];
        foreach (var line in expected)
        {
            Assert.Contains(result.Output.Split('\n'), shown => shown.StartsWith(line, StringComparison.Ordinal));
        }
    }

    // The options of the cluster stand in line 4 from column 13 on, the plugins in line 7.
    private string Write(string cluster, string plugins = "{ module = Action, action = dunno }", string more = "") =>
        _folder.Write("policyd.hocon", $$"""
            policyd {
              connections { db { module = Sql, dsn = "{{Postgres}}" }
                lite { module = Sql, dsn = "dbi:SQLite:dbname={{_folder["x.db"]}}" } }
              cluster { {{cluster}} }
            {{more}}
              virtual_hosts = [ { port = 12345, plugins = [
            {{plugins}}
              ] } ]
            }
            """);

    private Task<CommandResult> CheckAsync(string cluster, string plugins = "{ module = Action, action = dunno }", string more = "") =>
        Command.RunAsync("", "check", "--offline", "-c", Write(cluster, plugins, more));
}
