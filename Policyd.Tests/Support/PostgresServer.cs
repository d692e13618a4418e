using System.Globalization;
using Policyd.Bench.Servers;
using Policyd.Tests.Support;

[assembly: AssemblyFixture(typeof(PostgresServer))]

namespace Policyd.Tests.Support;

/// <summary>
/// A real PostgreSQL in a folder and on a port of its own, started by the first test that asks. It refuses to run as root, so it runs as
/// nobody then.
/// </summary>
public sealed class PostgresServer : IDatabaseServer
{
    // After a kill it recovers before it listens, and the machine may be busy.
    private static readonly TimeSpan s_timeout = TimeSpan.FromMinutes(3);
    private readonly SemaphoreSlim _starting = new(1, 1);
    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();
    private ProcessUnderTest? _process;
    private int _databases;

    private static string[] Folders => PostgresCommand.Folders;

    private PostgresCommand Postgres => new(_folder["data"], _port);

    /// <summary>
    /// Another address of this machine that it listens on, with the length of its network: for clients that come from there.
    /// </summary>
    internal string? AlsoOn { get; init; }

    string IDatabaseServer.User => "postgres";

    /// <summary>A fresh, empty database; its DSN in Perl's form, user <c>postgres</c>, any password.</summary>
    public async Task<string> NewDatabase()
    {
        await Start();
        var name = string.Create(CultureInfo.InvariantCulture, $"d{Interlocked.Increment(ref _databases)}");
        await QueryAsync("postgres", $"CREATE DATABASE {name}");
        return $"dbi:Pg:dbname={name};host=127.0.0.1;port={_port}";
    }

    /// <summary>Runs statements in a database of <see cref="NewDatabase"/>.</summary>
    internal Task Execute(string dsn, string sql) => Query(dsn, sql);

    /// <summary>What <c>psql</c> prints of a query in such a database.</summary>
    internal Task<string> Query(string dsn, string sql) => QueryAsync(dsn.Split('=', ';')[1], sql);

    Task IDatabaseServer.Start() => Start();

    Task IDatabaseServer.Stop() => Stop();

    internal async Task Start()
    {
        await _starting.WaitAsync();
        try
        {
            if (_process is not null)
            {
                return;
            }

            var initdb = Needs.Program("initdb", Folders);
            var postgres = Needs.Program(
                "postgres", [.. Folders, Path.GetDirectoryName(new FileInfo(initdb).ResolveLinkTarget(true)?.FullName ?? initdb)!]);
            if (!Directory.Exists(_folder["data"]))
            {
                Directory.CreateDirectory(_folder["data"]);
                await AsNobody("chown", "-R", "nobody", _folder["data"]);
                var (code, text) = await Run(initdb, Postgres.Install);
                Assert.True(code == 0, text);
            }

            var (program, arguments) = Command(postgres, [.. Postgres.Serve, .. AlsoOn is { } also ? Listen(also) : []]);
            _process = ProcessUnderTest.Start(program, arguments);
            await Eventually.Settles(
                () => $"PostgreSQL to take connections; it printed:\n{string.Join('\n', _process.Lines)}",
                async () => (await ProcessUnderTest.Run(
                    Needs.Program("psql", Folders), Postgres.Query("postgres", "SELECT 1"))).ExitCode == 0,
                s_timeout);
        }
        finally
        {
            _starting.Release();
        }
    }

    private string[] Listen(string address)
    {
        File.AppendAllText(_folder["data/pg_hba.conf"], $"host all all {address} trust\n");
        return ["-c", $"listen_addresses=127.0.0.1,{address.Split('/')[0]}"];
    }

    internal Task Stop() => End(pid => ProcessUnderTest.Run("/bin/kill", "-INT", pid.ToString(CultureInfo.InvariantCulture)));

    /// <summary>
    /// SIGKILL for the server and the processes of its connections, in whatever they are doing: nothing is flushed that was not flushed
    /// before.
    /// </summary>
    internal Task Kill() => End(pid => ProcessUnderTest.KillTree(pid, s_timeout));

    /// <summary>SIGSTOP for the server and the processes of its connections; <see cref="ProcessUnderTest.Thaw"/> lets them go on.</summary>
    internal IReadOnlyCollection<int> Freeze() =>
        // runuser stops itself when its child is stopped.
        [
            .. ProcessUnderTest.FreezeTree(int.Parse(File.ReadAllLines(_folder["data/postmaster.pid"])[0], CultureInfo.InvariantCulture)),
            _process!.Id
        ];

    private async Task End(Func<int, Task> end)
    {
        if (_process is { } process)
        {
            // runuser waits for its child; the server itself is what its own file names. Without runuser nobody might take note of its
            // end, and it would not start while there is still a process of that number.
            await end(int.Parse((await File.ReadAllLinesAsync(_folder["data/postmaster.pid"]))[0], CultureInfo.InvariantCulture));
            await process.Exits(s_timeout);
            await process.DisposeAsync();
            _process = null;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Stop();
        _folder.Dispose();
        _starting.Dispose();
    }

    private static async Task AsNobody(string program, params string[] arguments)
    {
        if (Environment.UserName == "root")
        {
            var (code, text) = await ProcessUnderTest.Run(Needs.Program(program), arguments);
            Assert.True(code == 0, text);
        }
    }

    private static Task<(int ExitCode, string Output)> Run(string program, params string[] arguments)
    {
        var (command, all) = Command(program, arguments);
        return ProcessUnderTest.Run(command, all);
    }

    private static (string Program, string[] Arguments) Command(string program, params string[] arguments)
    {
        var words = PostgresCommand.Unprivileged(program, arguments);
        return (words[0], words[1..]);
    }

    private async Task<string> QueryAsync(string database, string sql)
    {
        var (code, text) = await ProcessUnderTest.Run(Needs.Program("psql", Folders), Postgres.Query(database, sql));
        Assert.True(code == 0, text);
        return text;
    }
}
