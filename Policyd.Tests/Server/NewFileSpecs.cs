using Policyd.Protocol;
using Policyd.Tests.Support;
using Xunit;

namespace Policyd.Tests.Server;

/// <summary>The files that the running server makes, whatever the umask it was started with.</summary>
[System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
[ServerTest]
public sealed class NewFileSpecs : IDisposable
{
    private const UnixFileMode Mine = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode Group = Mine | UnixFileMode.GroupRead;
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("0", Group)]
    [InlineData("022", Group)]
    [InlineData("077", Mine)]
    public async Task Server_makes_no_file_that_others_can_read_and_leaves_the_modes_of_those_that_are_there(
        string umask, UnixFileMode expected)
    {
        var port = FreePort.Next();
        var old = _folder.Write("old.pid", "");
        File.SetUnixFileMode(old, Group | UnixFileMode.OtherRead);
        var file = _folder.Write("p.hocon", $$"""
            policyd {
              listen = ["127.0.0.1:{{port}}", "unix:{{_folder["policy.sock"]}}"]
              admin { listen = "unix:{{_folder["admin.sock"]}}" }
              pid_file = "{{_folder[umask == "022" ? "old.pid" : "new.pid"]}}", log_file = "{{_folder["policyd.log"]}}"
              cron { catch_up = on }
              connections { db { module = Sql, dsn = "Data Source={{_folder["counts.db"]}}" }, other { module = Sql, dsn = "dbi:SQLite:dbname={{_folder["list.db"]}}" } }
              virtual_hosts = [ { name = v, port = {{port}}, plugins = [
                { name = list, module = SqlList, db = other, sql_query = "SELECT 1 WHERE ?=''", on_error = continue, match_action = dunno }
                { name = count, module = Accounting, fields = client_address }
              ] } ]
            }
            """);
        await using var server = ProcessUnderTest.Start(
            "/bin/sh", ["-c", $"umask {umask}; exec '{PolicydProcess.Executable}' serve -c '{file}'"]);
        await PolicydProcess.Listens(server, port);
        await using var client = await PolicyClient.ConnectAsync(
            PolicyEndpoint.Tcp("127.0.0.1", port), TestContext.Current.CancellationToken);
        await client.AskAsync(
            PolicyRequestBuilder.AccessPolicy().Add("instance", "i").Add("client_address", "192.0.2.1").ToBytes(),
            TestContext.Current.CancellationToken);
        string[] made = [
            "counts.db", "counts.db-wal", "counts.db-shm", "list.db", "policyd.log", .. umask == "022" ? Array.Empty<string>() : ["new.pid"]
        ];
        await Eventually.Holds("all files to be there: " + string.Join(", ", made), () => made.All(name => File.Exists(_folder[name])));
        Assert.All(made, name => Assert.Equal((name, expected), (name, File.GetUnixFileMode(_folder[name]))));
        Assert.Equal(Group | UnixFileMode.OtherRead, File.GetUnixFileMode(old));

        // Postfix connects as its own user: who reaches the policy socket is told by its folder. The admin socket is the server's user's
        // own.
        Assert.Equal((UnixFileMode)0b110_110_110, File.GetUnixFileMode(_folder["policy.sock"]));
        Assert.Equal(Mine, File.GetUnixFileMode(_folder["admin.sock"]));
        string[] known = [.. made, "old.pid", "p.hocon", "policy.sock", "admin.sock"];
        Assert.All(
            Directory.EnumerateFiles(_folder.Path).Where(path => !known.Contains(Path.GetFileName(path))),
            path => Assert.Equal(UnixFileMode.None, File.GetUnixFileMode(path) & (UnixFileMode)0b000_010_111));
    }
}
