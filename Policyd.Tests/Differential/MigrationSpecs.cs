using Policyd.Protocol;
using Policyd.Tests.Server;
using Policyd.Tests.Support;

namespace Policyd.Tests.Differential;

/// <summary>
/// What docs/migration.md promises of the counters: taken over from a real mtpolicyd, announced by <c>policyd check</c>, and still good for
/// mtpolicyd when the operator goes back.
/// </summary>
[ServerTest]
public sealed class MigrationSpecs(MariaDbServer mariaDb)
{
    private const string Plugins = """
        <Plugin quota>
          module = "Quota"
          field = "client_address"
          metric = "count"
          threshold = 8
          action = "defer full"
          time_pattern = "%C"
        </Plugin>
        <Plugin count>
          module = "Accounting"
          fields = "client_address"
          time_pattern = "%C"
        </Plugin>
        """;

    private readonly int _port = FreePort.Next();
    private int _mails;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("SQLite", "a unique key on key and time added")]
    [InlineData("MariaDB", "64 bits")]
    public async Task Counters_go_on_from_mtpolicyd_to_ours_and_back(string database, string announced)
    {
        Needs.Root();
        using var folder = new TemporaryFolder();
        var dsn = await NewDatabaseAsync(database, folder);
        string Body(int port, int memcachedPort) => Configuration(dsn, port, memcachedPort);
        await using (await MtpolicydProcess.Start(folder, _port, Body))
        {
            await AskAsync(3, "dunno");
        }

        var configuration = folder.Write("mtpolicyd.conf", Body(_port, 1));
        var check = await Command.RunAsync("", "check", "-c", configuration);
        Assert.Equal(0, check.ExitCode);
        Assert.Contains("db: at the next start: table acct_client_address:", check.Output, StringComparison.Ordinal);
        Assert.Contains(announced, check.Output, StringComparison.Ordinal);

        await ServeAsync(configuration, () => AskAsync(2, "dunno"));
        Assert.Contains(
            "db: table acct_client_address: ready",
            (await Command.RunAsync("", "check", "-c", configuration)).Output,
            StringComparison.Ordinal);

        await using (await MtpolicydProcess.Start(folder, _port, Body))
        {
            await AskAsync(2, "dunno");
        }

        await ServeAsync(folder.Write("mtpolicyd.conf", Body(_port, 1)), async () =>
        {
            await AskAsync(1, "dunno");
            await AskAsync(2, "defer full");
        });
        await using (await MtpolicydProcess.Start(folder, _port, Body))
        {
            await AskAsync(2, "defer full");
        }
    }

    [Theory]
    [InlineData("SQLite")]
    [InlineData("MariaDB")]
    public async Task Counters_that_began_with_ours_go_on_in_mtpolicyd(string database)
    {
        Needs.Root();
        using var folder = new TemporaryFolder();
        var dsn = await NewDatabaseAsync(database, folder);
        await ServeAsync(folder.Write("mtpolicyd.conf", Configuration(dsn, _port, 1)), () => AskAsync(6, "dunno"));
        await using (await MtpolicydProcess.Start(folder, _port, (port, memcachedPort) => Configuration(dsn, port, memcachedPort)))
        {
            await AskAsync(2, "dunno");
            await AskAsync(1, "defer full");
        }

        await ServeAsync(folder.Write("mtpolicyd.conf", Configuration(dsn, _port, 1)), () => AskAsync(1, "defer full"));
    }

    private static string Configuration(string dsn, int port, int memcachedPort) => MtpolicydProcess.Configuration(
        port,
        memcachedPort,
        "accounting",
        Plugins,
        $"""
        <Connection db>
          module = "Sql"
          dsn = "{dsn}"
          user = "policyd"
          password = "secret"
        </Connection>
        """,
        "None");

    private async Task<string> NewDatabaseAsync(string database, TemporaryFolder folder) =>
        database == "SQLite" ? $"dbi:SQLite:dbname={SharedFile(folder)}" : await mariaDb.NewDatabase();

    private async Task ServeAsync(string configuration, Func<Task> questions)
    {
        await using var ours = await PolicydProcess.Serve(configuration, _port, "-l", "0");
        await questions();
        ours.Terminate();
        await ours.Exits();
    }

    private async Task AskAsync(int mails, string answer)
    {
        await using var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", _port), Cancel);
        for (; mails > 0; mails--)
        {
            var request = PolicyRequestBuilder.AccessPolicy()
                .Add("instance", $"mail.{_mails++}")
                .Add("client_address", "192.0.2.7")
                .Add("size", "100")
                .Add("recipient_count", "1");
            Assert.Equal(answer, await client.AskAsync(request.ToBytes(), Cancel));
        }
    }

    // Both write it, each as another user: mtpolicyd is nobody here.
    private static string SharedFile(TemporaryFolder folder)
    {
        Directory.CreateDirectory(folder["db"]);
        var file = folder.Write("db/counters.sqlite", "");
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(folder["db"], (UnixFileMode)0b111_111_111);
            File.SetUnixFileMode(file, (UnixFileMode)0b110_110_110);
        }

        return file;
    }
}
