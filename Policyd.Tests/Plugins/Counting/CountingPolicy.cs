using Policyd.Configuration;
using Policyd.Configuration.Hocon;
using Policyd.Configuration.Tree;
using Policyd.Engine.Building;
using Policyd.Engine.Chain;
using Policyd.Engine.Model;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Sessions;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Plugins.Counting;

/// <summary>
/// A chain with a SQLite connection <c>db</c>, counters in memory and a clock that is set; each instance has its session.
/// </summary>
internal sealed class CountingPolicy : IAsyncDisposable
{
    private readonly TemporaryFolder _folder;
    private readonly Dictionary<string, Session> _sessions = [];

    public CountingPolicy(string plugins, TemporaryFolder? folder = null)
    {
        _folder = folder ?? new TemporaryFolder();
        Model = Build(
            plugins,
            out var diagnostics,
            new ModelEnvironment { LoggerFactory = Log, Counters = Counters, Clock = Clock },
            _folder["policyd.db"])
            ?? throw new InvalidOperationException(string.Join('\n', diagnostics.All));
    }

    public InMemoryCounters Counters { get; } = new();

    public LogCapture Log { get; } = new();

    public SetClock Clock { get; } = new();

    public PolicyServerModel Model { get; }

    public ChainOutcome Last { get; private set; }

    public static PolicyServerModel? Build(
        string plugins, out DiagnosticBag diagnostics, ModelEnvironment? environment = null, string file = "/nonexistent/policyd.db")
    {
        var document = HoconReader.Read(
            $"policyd {{ connections {{ db {{ module = Sql, dsn = \"dbi:SQLite:dbname={file}\" }}, cache {{ module = Memcached }} "
                + $"}}\nvirtual_hosts = [ {{ name = test, port = 12345, plugins = [ {plugins} ] }} ] }}", "test.hocon");
        var model = ModelBuilder.Build(document, environment ?? new ModelEnvironment());
        diagnostics = document.Diagnostics;
        return model;
    }

    public static string Errors(string plugins)
    {
        Assert.Null(Build(plugins, out var diagnostics));
        return string.Join('\n', diagnostics.All);
    }

    public async Task<string?> AskAsync(string instance, params (string Name, string Value)[] attributes)
    {
        var request = PolicyRequestBuilder.AccessPolicy().Add("instance", instance);
        foreach (var (name, value) in attributes)
        {
            request.Add(name, value);
        }

        if (!_sessions.TryGetValue(instance, out var session) || instance.Length == 0)
        {
            session = new Session();
        }

        Last = await Model.VirtualHosts[0].RunAsync(request.ToRequest(), session, TimeSpan.FromSeconds(20));
        _sessions[instance] = Last.Session;
        return Last.Action;
    }

    /// <summary>As a server that is started again.</summary>
    public void ForgetSessions() => _sessions.Clear();

    public static CounterKey Client(string address) => new("db", "acct_client_address", address);

    public async ValueTask DisposeAsync()
    {
        await Model.ServerConnections.DisposeAsync();
        _folder.Dispose();
    }
}

/// <summary>
/// Wall time is what a test says, in UTC; timers run as ever. Time that passes does so by the monotonic clock too; a clock that is put is
/// only put.
/// </summary>
internal sealed class SetClock : TimeProvider
{
    private DateTimeOffset _now = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);
    private long _passed = TimeSpan.TicksPerDay;

    public DateTimeOffset Now
    {
        get => _now;
        set
        {
            _passed += Math.Max(0, (value - _now).Ticks);
            _now = value;
        }
    }

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => Volatile.Read(ref _passed);

    /// <summary>Somebody, or NTP, puts the clock: no time has passed.</summary>
    public void Put(DateTimeOffset time) => _now = time;

    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    public override DateTimeOffset GetUtcNow() => Now;
}
