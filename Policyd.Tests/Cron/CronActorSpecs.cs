using System.Collections.Concurrent;
using System.Globalization;
using Akka.Actor;
using Akka.Configuration;
using Microsoft.Extensions.Logging.Abstractions;
using Policyd.Actors.Cron;
using Policyd.Backends.Sql;
using Policyd.Engine.Connections;
using Policyd.Engine.Cron;
using Policyd.Engine.Model;
using Policyd.Tests.Plugins;
using Policyd.Tests.Plugins.Counting;
using Policyd.Tests.Support;
using static Policyd.Actors.Cron.CronProtocol;

namespace Policyd.Tests.Cron;

/// <summary>The cron scheduler over a ledger in SQLite, PostgreSQL and MariaDB, with a clock that the test sets.</summary>
public sealed class CronActorSpecs(MariaDbServer mariaDb, PostgresServer postgres) : IAsyncLifetime
{
    private const string HeldLedger =
        """
        akka.persistence.journal { plugin = akka.persistence.journal.held, held.class = "Policyd.Tests.Cron.HeldJournal, Policyd.Tests" }
        """;

    private static readonly DateTimeOffset s_start = new(2026, 11, 23, 10, 15, 0, TimeSpan.Zero);
    private readonly TemporaryFolder _folder = new();
    private readonly SetClock _clock = new() { Now = s_start };
    private readonly ConcurrentQueue<string> _ran = new();
    private readonly List<ServerConnections> _connections = [];
    private CronOptions _options = Model("").Cron;
    private DateTimeOffset? _servesSince;
    private Func<string, CancellationToken, Task<int>> _work = static (_, _) => Task.FromResult(0);
    private ActorSystem? _system;
    private IActorRef _actor = ActorRefs.Nobody;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        HeldJournal.Release();
        await StopAsync();
        foreach (var connections in _connections)
        {
            await connections.DisposeAsync();
        }

        _folder.Dispose();
    }

    [Fact]
    public async Task A_task_runs_once_at_each_of_its_times()
    {
        await StartAsync(CronScheduler.AkkaSettings(Model("")));
        Assert.Equal(new DateTimeOffset(2026, 11, 23, 11, 0, 0, TimeSpan.Zero), (await StatusAsync("hourly")).Next);
        await WakeAtAsync("10:59:59");
        Assert.Empty(_ran);
        await WakeAtAsync("11:00:00");
        await EndedAsync("hourly", CronResult.Done);
        await WakeAtAsync("11:00:01");
        await WakeAtAsync("11:30:00");
        Assert.Equal(["hourly"], _ran);
        Assert.Equal(new DateTimeOffset(2026, 11, 23, 12, 0, 0, TimeSpan.Zero), (await StatusAsync("hourly")).Next);
    }

    [Fact]
    public void A_ledger_whose_connection_broke_under_a_transaction_is_told_without_a_name_of_the_code()
    {
        var log = new LogCapture();
        var ledger = new CronLedgerLog("database d", static failure => failure.Message, log.CreateLogger("cron"));
        ledger.Away(new AggregateException(new ObjectDisposedException("NpgsqlTransaction")));
        Assert.Single(log.Containing("no task runs until it is back: the connection broke"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_task_that_came_due_between_the_start_of_the_server_and_the_reading_of_the_ledger_runs_once(bool catchUp)
    {
        _options.CatchUp = catchUp;
        _servesSince = s_start;
        _clock.Now = s_start.AddMinutes(50);   // the clock was set meanwhile
        var (settings, _) = await LedgerAsync("SQLite");
        await StartAsync(settings);
        await EndedAsync("hourly", CronResult.Done);
        Assert.Equal(["hourly"], _ran);
        Assert.Equal(new DateTimeOffset(2026, 11, 23, 12, 0, 0, TimeSpan.Zero), (await StatusAsync("hourly")).Next);
        await StopAsync();

        // What was missed while it was down, and came due again since the start, is one run.
        _clock.Now = s_start.AddHours(4);
        _servesSince = s_start.AddHours(3);
        await StartAsync(settings);
        await Eventually.Holds("the task to run again", () => _ran.Count == 2);
        await WakeAtAsync("14:20:00");
        Assert.Equal(2, _ran.Count);
        Assert.Equal(new DateTimeOffset(2026, 11, 23, 15, 0, 0, TimeSpan.Zero), (await StatusAsync("hourly")).Next);
    }

    [Fact]
    public async Task A_clock_that_was_put_back_between_the_start_and_the_reading_of_the_ledger_gives_the_next_time_anew()
    {
        _servesSince = s_start.AddDays(1);
        await StartAsync(CronScheduler.AkkaSettings(Model("")));
        await WakeAtAsync("10:15:01");
        Assert.Equal(new DateTimeOffset(2026, 11, 23, 11, 0, 0, TimeSpan.Zero), (await StatusAsync("hourly")).Next);
        Assert.Empty(_ran);
    }

    [Fact]
    public async Task A_wake_that_comes_while_an_event_is_written_is_not_lost()
    {
        await StartAsync(ConfigurationFactory.ParseString(
            "akka.scheduler.implementation = \"Akka.TestKit.TestScheduler, Akka.TestKit\"\n" + HeldLedger)
            .WithFallback(CronScheduler.AkkaSettings(Model(""))));
        var scheduler = Assert.IsType<Akka.TestKit.TestScheduler>(_system!.Scheduler);
        var hold = HeldJournal.Hold();
        _clock.Now = new DateTimeOffset(2026, 11, 23, 11, 0, 0, TimeSpan.Zero);
        await Advances(scheduler, "the run to be written", () => HeldJournal.Held > 0);
        scheduler.Advance(TimeSpan.FromMinutes(1));
        hold.SetResult();
        await EndedAsync("hourly", CronResult.Done);
        _clock.Now = new DateTimeOffset(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);
        await Advances(scheduler, "the next run", () => _ran.Count == 2);
    }

    [Theory]
    [InlineData("a start")]
    [InlineData("a reload")]
    public async Task A_task_that_is_due_while_a_new_one_is_noted_is_run_and_so_are_the_next(string when)
    {
        var settings = ConfigurationFactory.ParseString(HeldLedger).WithFallback(CronScheduler.AkkaSettings(Model("")));
        TaskCompletionSource hold;
        if (when == "a start")
        {
            hold = HeldJournal.Hold();
            Start(settings);
        }
        else
        {
            await StartAsync(settings);
            hold = HeldJournal.Hold();
            _options = Model("", weekly: "0 3 * * 1").Cron;
            _system!.EventStream.Publish(CronActor.OptionsChanged.Instance);
        }

        await Eventually.Holds("the new task to be noted", () => HeldJournal.Held > 0);
        _clock.Now = new DateTimeOffset(2026, 11, 23, 11, 0, 0, TimeSpan.Zero);
        hold.SetResult();

        // Nothing else is sent to the actor meanwhile: it would hide a run that is noted at the wrong moment.
        await Eventually.Holds("the task to run", () => _ran.Count == 1);
        await EndedAsync("hourly", CronResult.Done);
        await WakeAtAsync("12:00:00");
        await Eventually.Holds("the next run", () => _ran.Count == 2);
    }

    [Fact]
    public async Task A_clock_that_is_put_back_does_not_keep_tasks_waiting_until_it_was()
    {
        _clock.Now = s_start.AddYears(1);
        await StartAsync(CronScheduler.AkkaSettings(Model("")));
        _actor.Tell(CronActor.Wake.Instance);
        _clock.Put(s_start);
        _actor.Tell(CronActor.Wake.Instance);
        await WakeAtAsync("10:59:59");
        Assert.Empty(_ran);
        await WakeAtAsync("11:00:00");
        await EndedAsync("hourly", CronResult.Done);
        Assert.Equal(["hourly"], _ran);
    }

    [Fact]
    public async Task Tasks_of_one_moment_run_one_after_the_other()
    {
        var release = new SemaphoreSlim(0);
        var inside = 0;
        _work = async (_, ct) =>
        {
            Assert.Equal(1, Interlocked.Increment(ref inside));
            await release.WaitAsync(ct);
            Interlocked.Decrement(ref inside);
            return 0;
        };
        await StartAsync(CronScheduler.AkkaSettings(Model("")));
        _clock.Now = new DateTimeOffset(2026, 11, 24, 0, 0, 0, TimeSpan.Zero);
        _actor.Tell(CronActor.Wake.Instance);
        await Eventually.Holds("the first task", () => _ran.Count == 1);
        release.Release();
        await Eventually.Holds("the second task", () => _ran.Count == 2);
        release.Release();
        await EndedAsync("daily", CronResult.Done);
        Assert.Equal(["hourly", "daily"], _ran);
    }

    [Fact]
    public async Task A_tick_that_comes_while_its_task_still_runs_is_left_out()
    {
        var release = new SemaphoreSlim(0);
        _work = async (_, ct) =>
        {
            await release.WaitAsync(ct);
            return 0;
        };
        await StartAsync(CronScheduler.AkkaSettings(Model("")));
        await WakeAtAsync("11:00:00");
        await Eventually.Holds("the task to run", () => _ran.Count == 1);
        await WakeAtAsync("12:00:00");
        release.Release(2);
        await EndedAsync("hourly", CronResult.Done);
        await WakeAtAsync("12:00:01");
        Assert.Equal(["hourly"], _ran);
    }

    [Fact]
    public async Task A_task_that_fails_is_noted_and_hinders_none()
    {
        _work = static (task, _) => task == "hourly" ? throw new InvalidOperationException("no such table") : Task.FromResult(3);
        await StartAsync(CronScheduler.AkkaSettings(Model("")));
        var hourly = Assert.IsType<TaskRan>(await AskAsync(new RunTask("hourly")));
        Assert.Equal((CronResult.Failed, 1), (hourly.Run.Result, hourly.Run.Failures));
        var daily = Assert.IsType<TaskRan>(await AskAsync(new RunTask("daily")));
        Assert.Equal((CronResult.Failed, 3), (daily.Run.Result, daily.Run.Failures));
    }

    [Fact]
    public async Task An_operator_runs_a_task_and_hears_its_end_and_an_unknown_one_is_told_from_it()
    {
        await StartAsync(CronScheduler.AkkaSettings(Model("")));
        var ran = Assert.IsType<TaskRan>(await AskAsync(new RunTask("daily")));
        Assert.Equal(new CronRun("daily", null, s_start, TimeSpan.Zero, CronResult.Done, 0), ran.Run);
        Assert.Equal(ran.Run, (await StatusAsync("daily")).Last);
        var none = Assert.IsType<NoSuchTask>(await AskAsync(new RunTask("dayly")));
        Assert.Equal(["hourly", "daily"], none.Known);
    }

    [ServerTest]
    [Theory]
    [InlineData("SQLite")]
    [InlineData("PostgreSQL")]
    [InlineData("MariaDB")]
    public async Task A_restart_remembers_and_with_catch_up_makes_good_what_was_missed_once(string database)
    {
        var (settings, tables) = await LedgerAsync(database);
        await CronLedgerStore.PrepareAsync(tables, TestContext.Current.CancellationToken);   // they are there already
        _options.CatchUp = true;
        await StartAsync(settings);
        await WakeAtAsync("11:00:00");
        await EndedAsync("hourly", CronResult.Done);
        var before = await StatusAsync("hourly");
        await StopAsync();

        await StartAsync(settings);
        Assert.Equal(before, await StatusAsync("hourly"));
        Assert.Equal(["hourly"], _ran);
        await StopAsync();

        // Three hours away: one run makes good for all of them.
        _clock.Now = new DateTimeOffset(2026, 11, 23, 14, 30, 0, TimeSpan.Zero);
        await StartAsync(settings);
        await Eventually.Holds("the missed task to be run", () => _ran.Count == 2);
        await EndedAsync("hourly", CronResult.Done);
        await StopAsync();
        await StartAsync(settings);
        Assert.Equal(CronResult.Done, (await StatusAsync("hourly")).Last!.Result);
        Assert.Equal(["hourly", "hourly"], _ran);
    }

    // Its first transaction lasts as long as the library's code is compiled: counts of mail must not wait for it.
    [Fact]
    public async Task The_ledger_in_SQLite_is_read_without_the_lock_of_who_writes()
    {
        var (settings, database) = await LedgerAsync("SQLite");
        await StartAsync(settings);
        await StopAsync();
        await using var connection = await database.OpenAsync(TestContext.Current.CancellationToken);
        await using var writer = connection.CreateCommand();
        writer.CommandText = "BEGIN IMMEDIATE";
        await writer.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        await StartAsync(settings);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_run_that_the_end_of_the_server_cut_off_is_interrupted_and_runs_again_with_catch_up(bool catchUp)
    {
        var (settings, _) = await LedgerAsync("SQLite");
        _options.CatchUp = catchUp;
        _work = static async (_, ct) =>
        {
            await Task.Delay(Timeout.Infinite, ct);
            return 0;
        };
        await StartAsync(settings);
        await WakeAtAsync("11:00:00");
        await Eventually.Holds("the task to run", () => _ran.Count == 1);
        await StopAsync();

        _work = static (_, _) => Task.FromResult(0);
        await StartAsync(settings);
        if (catchUp)
        {
            await EndedAsync("hourly", CronResult.Done);
        }
        else
        {
            Assert.Equal(CronResult.Interrupted, (await StatusAsync("hourly")).Last!.Result);
        }

        Assert.Equal(catchUp ? 2 : 1, _ran.Count);
    }

    [SoakTest("runs a task as often as the ledger keeps events")]
    [Fact]
    public async Task The_ledger_does_not_grow_with_the_years()
    {
        var (settings, database) = await LedgerAsync("SQLite");
        await StartAsync(settings);
        for (var run = 0; run < CronActor.EventsKept + 10; run++)
        {
            Assert.IsType<TaskRan>(await AskAsync(new RunTask("hourly")));
        }

        var last = (await StatusAsync("hourly")).Last;
        await Eventually.Holds("old events to be dropped", async () => await CountAsync(database) < CronActor.EventsKept);
        await StopAsync();
        await StartAsync(settings);
        Assert.Equal(last, (await StatusAsync("hourly")).Last);
    }

    [Fact]
    public async Task The_ledger_of_a_server_that_is_restarted_often_does_not_grow_either()
    {
        var (settings, database) = await LedgerAsync("SQLite");
        for (var life = 0; life < 3; life++)
        {
            // Two events a run: no life alone has enough for a snapshot, all together have.
            await StopAsync();
            await StartAsync(settings);
            for (var run = 0; run < CronActor.EventsKept / 5; run++)
            {
                Assert.IsType<TaskRan>(await AskAsync(new RunTask("hourly")));
            }
        }

        await Eventually.Holds("the events of earlier lives to be dropped", async () => await CountAsync(database) < CronActor.EventsKept);
    }

    private static PolicyServerModel Model(string connections, string weekly = "off") =>
        PolicyUnderTest.Build(
            $"policyd {{ cron {{ time_zone = UTC, tasks {{ hourly = \"0 * * * *\", daily = \"0 0 * * *\", weekly = \"{weekly}\", "
                + "monthly = off } }, connections { "
                + connections + " }, virtual_hosts = [ { port = 12345, plugins = [] } ] }",
            out var diagnostics)
        ?? throw new InvalidOperationException(string.Join('\n', diagnostics.All));

    private async Task StartAsync(Config settings)
    {
        Start(settings);
        await StatusAsync("hourly");
    }

    private void Start(Config settings)
    {
        _system = ActorSystem.Create("cron", ConfigurationFactory.ParseString("akka.loglevel = OFF").WithFallback(settings));
        _actor = _system.ActorOf(CronActor.Props(
            () => _options,
            (task, ct) =>
            {
                _ran.Enqueue(task);
                return _work(task, ct);
            },
            _clock,
            new CronLedgerLog("memory", static failure => failure.Message, NullLogger.Instance),
            () => _servesSince));
    }

    private async Task StopAsync()
    {
        if (_system is not null)
        {
            await _system.Terminate();
            _system = null;
        }
    }

    /// <summary>The clock is set and the actor woken, as its timer would; returns when it has done what there was to begin.</summary>
    private async Task WakeAtAsync(string time)
    {
        _clock.Now = new DateTimeOffset(2026, 11, 23, 0, 0, 0, TimeSpan.Zero) + TimeSpan.Parse(time, CultureInfo.InvariantCulture);
        _actor.Tell(CronActor.Wake.Instance);
        await StatusAsync("hourly");
    }

    // The actor may set its timer only after it has answered that it is there: time goes on until it has.
    private static Task Advances(Akka.TestKit.TestScheduler scheduler, string until, Func<bool> condition) =>
        Eventually.Holds(until, () =>
        {
            if (condition())
            {
                return true;
            }

            scheduler.Advance(TimeSpan.FromMinutes(1));
            return false;
        });

    private Task EndedAsync(string task, CronResult result) =>
        Eventually.Holds($"{task} to end as {result}", async () => (await StatusAsync(task)).Last?.Result == result);

    private async Task<CronTaskStatus> StatusAsync(string task) =>
        Assert.IsType<TaskList>(await AskAsync(new ListTasks())).Tasks.Single(one => one.Name == task);

    private Task<object> AskAsync(object question) =>
        _actor.Ask<object>(question, Eventually.Timeout, TestContext.Current.CancellationToken);

    private static async Task<long> CountAsync(SqlDatabase database)
    {
        await using var connection = await database.OpenAsync(TestContext.Current.CancellationToken);
        await using var command = connection.CreateCommand();
        command.CommandText = "SELECT count(*) FROM policyd_cron_journal";
        return Convert.ToInt64(await command.ExecuteScalarAsync(TestContext.Current.CancellationToken), CultureInfo.InvariantCulture);
    }

    private async Task<(Config Settings, SqlDatabase Database)> LedgerAsync(string database)
    {
        var connection = database switch
        {
            "SQLite" => $"dsn = \"dbi:SQLite:dbname={_folder["cron.db"]}\"",
            "PostgreSQL" => $"dsn = \"{await postgres.NewDatabase()}\", user = postgres",
            _ => $"dsn = \"{await mariaDb.NewDatabase()}\", user = policyd, password = secret",
        };
        var model = Model($"db {{ module = Sql, {connection} }}");
        _connections.Add(model.ServerConnections);
        await CronLedgerStore.PrepareAsync(model.Sql.Database("db"), TestContext.Current.CancellationToken);
        return (CronScheduler.AkkaSettings(model), model.Sql.Database("db"));
    }
}
