using Policyd.Plugins.Counters;
using Policyd.Protocol;
using Policyd.Tests.Server;
using Policyd.Tests.Support;

namespace Policyd.Tests.Counters;

/// <summary>Names of calendar windows: as the running server writes them into its table, and as retention reads them back.</summary>
public sealed class WindowNameSpecs
{
    private const string Pattern = "%Y-%-m-%-d/%_H %^a %Z";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [ServerTest]
    [Fact]
    public async Task The_server_names_a_window_as_Perl_does()
    {
        using var folder = new TemporaryFolder();
        var port = FreePort.Next();
        var configuration = folder.Write("policyd.hocon", $$"""
            policyd { listen = ["127.0.0.1:{{port}}"], admin { listen = off }
              connections { db { module = Sql, dsn = "dbi:SQLite:dbname={{folder["x.db"]}}" } }
              virtual_hosts = [ { name = t, port = {{port}}, plugins = [ { name = a, module = Accounting, fields = sasl_username, time_pattern = "{{Pattern}}" } ] } ] }
            """);
        var zone = new Dictionary<string, string> { ["TZ"] = "America/St_Johns", ["LC_ALL"] = "C" };
        await using var server = ProcessUnderTest.Start(PolicydProcess.Executable, ["serve", "-c", configuration], zone);
        await PolicydProcess.Listens(server, port);
        var before = await Perl();
        await using (var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", port), Cancel))
        {
            Assert.Equal("dunno", await client.AskAsync(
                PolicyRequestBuilder.AccessPolicy().Add("sasl_username", "bob").Add("instance", "1").ToBytes(), Cancel));
        }

        var after = await Perl();
        server.Terminate();
        await server.Exits();
        Assert.Contains(Assert.Single(SqliteFile.Rows(folder["x.db"], "SELECT time FROM acct_sasl_username")), new[] { before, after });

        async Task<string> Perl()
        {
            await using var perl = ProcessUnderTest.Start(
                Needs.Program("perl"), ["-MPOSIX", "-e", "print strftime($ARGV[0], localtime), qq(\\n)", Pattern], zone);
            Assert.Equal(0, await perl.Exits());
            return perl.Lines[0];
        }
    }

    [ServerTest]
    [Theory]
    [InlineData("Accounting, fields = sender")]
    [InlineData("Quota, field = sender, metric = count, threshold = 1")]
    public async Task An_unknown_conversion_is_an_error_at_its_place(string module)
    {
        using var folder = new TemporaryFolder();
        var configuration = folder.Write("policyd.hocon", $$"""
            policyd { listen = ["127.0.0.1:1"]
              connections { db { module = Sql, dsn = "dbi:SQLite:dbname={{folder["x.db"]}}" } }
              virtual_hosts = [ { name = t, port = 1, plugins = [ { name = a, module = {{module}}
                time_pattern = "%Y-%q" } ] } ] }
            """);
        var check = await Command.RunAsync("", "check", "--offline", "-c", configuration);
        Assert.Equal(78, check.ExitCode);
        Assert.Contains(
            $"{configuration}:4:20: plugin a: time_pattern: \"%q\" is not a conversion of strftime", check.Error, StringComparison.Ordinal);
    }

    // What has passed by then may be deleted; a minute before nothing may.
    [Theory]
    [InlineData("%Y-%-m-%-d", "2026-3-5", "2026-03-06")]
    [InlineData("%Y-%-m", "2026-12", "2027-01-01")]
    [InlineData("%Y-%_m", "2026- 3", "2026-04-01")]
    [InlineData("%Y-%m-%e", "2026-03- 5", "2026-03-06")]
    [InlineData("%Y-%5m", "2026-00003", "2026-04-01")]
    [InlineData("%F", "2026-03-05", "2026-03-06")]
    [InlineData("%D", "03/05/26", "2026-03-06")]
    [InlineData("%G/%-V", "2026/2", "2026-01-12")]
    [InlineData("100%% %Y", "100% 2026", "2027-01-01")]
    public void Retention_reads_a_name_back(string pattern, string text, string end)
    {
        Assert.True(WindowAge.TryCreate(pattern, out var age, out var error), error);
        Assert.Equal(DateTime.Parse(end, System.Globalization.CultureInfo.InvariantCulture), age.EndOf(text));
        var now = new DateTimeOffset(2026, 3, 5, 4, 7, 9, TimeSpan.Zero);
        Assert.NotNull(age.EndOf(Strftime.Format(pattern, now)));
    }

    [Theory]
    [InlineData("%-m%-d%Y")]
    [InlineData("%Y%-m%-d")]
    [InlineData("%Y-%B")]
    [InlineData("1%-m-%Y")]
    [InlineData("%Y-%-2j")]
    [InlineData("%Y-%99m")]
    [InlineData("%_12F")]
    [InlineData("%Y-%q")]
    public void A_name_that_cannot_be_read_back_for_sure_is_never_old(string pattern) =>
        Assert.False(WindowAge.TryCreate(pattern, out _, out _));
}
