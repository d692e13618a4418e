using System.Globalization;
using Policyd.Bench.Servers;
using Policyd.Tests.Support;

[assembly: AssemblyFixture(typeof(MariaDbServer))]

namespace Policyd.Tests.Support;

/// <summary>
/// A real MariaDB in a folder and on a port of its own, started by the first test that asks. Can be stopped and started again.
/// </summary>
public sealed class MariaDbServer : IDatabaseServer
{
    // After a kill it recovers before it listens, and the machine may be busy.
    private static readonly TimeSpan s_timeout = TimeSpan.FromMinutes(3);
    private readonly SemaphoreSlim _starting = new(1, 1);
    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();
    private ProcessUnderTest? _process;
    private int _databases;

    private MariaDbCommand Command => new(_folder["data"], _port);

    /// <summary>Options of the server beyond those that every test needs.</summary>
    internal IReadOnlyList<string> MoreOptions { get; init; } = [];

    string IDatabaseServer.User => "policyd";

    /// <summary>A fresh, empty database; its DSN in Perl's form, user <c>policyd</c>, password <c>secret</c>.</summary>
    public async Task<string> NewDatabase()
    {
        await Start();
        var name = string.Create(CultureInfo.InvariantCulture, $"d{Interlocked.Increment(ref _databases)}");
        await Execute($"CREATE DATABASE {name}");
        return $"dbi:mysql:database={name};host=127.0.0.1;port={_port}";
    }

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

            Needs.Root();
            var mariadbd = Needs.Program("mariadbd");
            var isNew = !Directory.Exists(Command.Data);
            if (isNew)
            {
                await InstallAsync();
            }

            _process = ProcessUnderTest.Start(mariadbd, [.. Command.Serve, .. MoreOptions]);
            await _process.Listens("MariaDB", _port, s_timeout);
            if (isNew)
            {
                // It listens on its port before it does on its socket.
                await Eventually.Holds(
                    "MariaDB to take connections on its socket",
                    async () => (await ProcessUnderTest.Run(Needs.Program("mariadb"), Command.Query("SELECT 1"))).ExitCode == 0,
                    s_timeout);
                await Execute(MariaDbCommand.MakeUser);
            }
        }
        finally
        {
            _starting.Release();
        }
    }

    /// <summary>In a folder that has its name when it is whole: half a database would look like one that only has to be started.</summary>
    private async Task InstallAsync()
    {
        var half = new MariaDbCommand(_folder[Guid.NewGuid().ToString("N")], _port);
        var (code, text) = await ProcessUnderTest.Run(Needs.Program("mariadb-install-db"), half.Install);
        Assert.True(code == 0, text);
        Directory.Move(half.Data, Command.Data);
    }

    internal Task Stop() => End(process => process.Terminate());

    /// <summary>SIGKILL, in whatever it is doing: nothing is flushed that was not flushed before.</summary>
    internal Task Kill() => End(process => process.Kill());

    /// <summary>SIGSTOP; <see cref="ProcessUnderTest.Thaw"/> lets it go on.</summary>
    internal IReadOnlyCollection<int> Freeze() => ProcessUnderTest.FreezeTree(_process!.Id);

    private async Task End(Action<ProcessUnderTest> signal)
    {
        if (_process is { } process)
        {
            signal(process);
            await process.Exits(s_timeout);
            await process.DisposeAsync();
            _process = null;
        }
    }

    internal Task Execute(string sql) => Query(sql);

    /// <summary>The rows as text, a line each, columns separated by tabs, without a heading.</summary>
    internal async Task<string> Query(string sql)
    {
        var (code, text) = await ProcessUnderTest.Run(Needs.Program("mariadb"), Command.Query(sql));
        Assert.True(code == 0, text);
        return text;
    }

    public async ValueTask DisposeAsync()
    {
        await Stop();
        _folder.Dispose();
        _starting.Dispose();
    }
}
