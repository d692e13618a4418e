using MySqlConnector;
using Policyd.Tests.Support;

namespace Policyd.Tests.Cron;

/// <summary>
/// A ledger whose database takes no more connections, under the whole server: sentences for an operator, and the tasks run again when it
/// does.
/// </summary>
[ServerTest]
public sealed class CronLedgerAwaySpecs : IDisposable
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromMinutes(3);
    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();

    [Fact]
    public async Task Database_at_its_limit_of_connections_is_told_in_words_and_the_tasks_run_when_it_has_room()
    {
        await using var mariaDb = new MariaDbServer { MoreOptions = ["--max-connections=10"] };
        var dsn = await mariaDb.NewDatabase();
        await mariaDb.Execute("CREATE USER guest IDENTIFIED BY 'secret', mail IDENTIFIED BY 'secret'; GRANT ALL ON d1.* TO mail");
        var port = dsn[(dsn.LastIndexOf('=') + 1)..];

        // Here before the guests: at the limit nobody comes in for sure, an administrator neither.
        await using var administrator = new MySqlConnection(SettingsOf("policyd", port));
        await administrator.OpenAsync(TestContext.Current.CancellationToken);
        await using var server = await PolicydProcess.Serve(Configure(dsn), _port);
        var guests = new List<MySqlConnection>();
        try
        {
            // Whoever comes first has the place: the server's connections are ended until all places are guests'.
            await using var kill = administrator.CreateCommand();
            kill.CommandText = "KILL USER mail";
            await Eventually.Holds("the ledger to be told to be away", async () =>
            {
                await FillAsync(guests, SettingsOf("guest", port));
                await kill.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
                return server.Lines.Any(
                    line => line.Contains("is unavailable, no task runs until it is back: Too many connections", StringComparison.Ordinal));
            }, s_timeout);
        }
        finally
        {
            foreach (var guest in guests)
            {
                await guest.DisposeAsync();
            }
        }

        await server.Prints("is available again after", s_timeout);
        Assert.DoesNotContain(
            server.Lines,
            line => line.Contains("persistenceId", StringComparison.Ordinal) || line.Contains("Exception", StringComparison.Ordinal));
    }

    public void Dispose() => _folder.Dispose();

    private static string SettingsOf(string user, string port) =>
        $"Server=127.0.0.1;Port={port};User ID={user};Password=secret;Pooling=false";

    private static async Task FillAsync(List<MySqlConnection> guests, string settings)
    {
        while (true)
        {
            var guest = new MySqlConnection(settings);
            try
            {
                await guest.OpenAsync(TestContext.Current.CancellationToken);
                guests.Add(guest);
            }
            catch (MySqlException full) when (full.ErrorCode == MySqlErrorCode.ConnectionCountError)
            {
                await guest.DisposeAsync();
                return;
            }
        }
    }

    private string Configure(string dsn) => _folder.Write("policyd.hocon", $$"""
        policyd { listen = ["127.0.0.1:{{_port}}"], cron { tasks { tick = "* * * * * *" } }
          connections { db { module = Sql, dsn = "{{dsn}}", user = mail, password = secret } }
          virtual_hosts = [ { name = counting, port = {{_port}}, plugins = [ { name = a, module = Accounting, fields = sender } ] } ] }
        """);
}
