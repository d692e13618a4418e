using System.Data.Common;
using Akka.Actor;
using Akka.Configuration;
using Akka.Pattern;
using Microsoft.Extensions.Logging;
using Policyd.Backends.Sql;
using Policyd.Engine.Cron;
using Policyd.Engine.Model;
using Policyd.Plugins.Sources;

namespace Policyd.Actors.Cron;

/// <summary>
/// Starts the cron scheduler and asks it: alone on this node, or, where the server is a cluster, once in all of it. A ledger whose database
/// is away is tried again until it is there; meanwhile no task runs, for nobody could note that it did.
/// <para>
/// To load the ledger's library and to read the ledger takes a second of processor time. A server that has just started needs it for the
/// mail that waited meanwhile. So the scheduler of a server that is alone begins half a minute later, unless a task is due before or
/// somebody asks. Without a database there is nothing to read, and it begins when the first task is due. A task that comes due all the
/// same before the ledger is read, for example because the clock is set, runs then.
/// </para>
/// </summary>
public sealed class CronScheduler
{
    private const string Name = "cron-scheduler";
    private static readonly TimeSpan s_firstWait = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_longestWait = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan s_afterStart = TimeSpan.FromSeconds(30);

    // A clock that is set meanwhile makes a task late by no more than this.
    private static readonly TimeSpan s_afterStartInMemory = TimeSpan.FromHours(1);

    // Long enough for a busy machine to load the library.
    private static readonly TimeSpan s_beforeTask = TimeSpan.FromSeconds(15);

    private readonly TaskCompletionSource _needed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ActorSystem _system;
    private readonly Task<IActorRef> _actor;

    private CronScheduler(ActorSystem system, PolicyServerModel model, Props supervised, bool clustered, CronLedgerLog ledgerLog)
    {
        _system = system;
        _actor = StartAsync(model, supervised, clustered, ledgerLog);
    }

    /// <summary>What an actor system needs for the cron scheduler of this model.</summary>
    internal static Config AkkaSettings(PolicyServerModel model)
    {
        var common = ConfigurationFactory.ParseString("""
            akka.actor {
              serializers.cron = "Policyd.Actors.Cron.CronSerializer, Policyd.Actors"
              serialization-bindings { "Policyd.Actors.Cron.ICronMessage, Policyd.Actors" = cron }
            }
            """);
        var ledger = HasDatabase(model)
            ? CronLedgerStore.On(model.Sql.Database(model.Cron.Db).Provider, model.Sql.ConnectionString(model.Cron.Db))
            : CronLedgerStore.InMemory;
        return common.WithFallback(ledger);
    }

    /// <summary>Begins to start; requests are served meanwhile.</summary>
    /// <param name="system">The actor system.</param>
    /// <param name="serving">The model of now: a reload changes the tasks and the plugins.</param>
    /// <param name="clustered">Whether the server is a node of a cluster.</param>
    /// <param name="logger">The log.</param>
    internal static CronScheduler Start(ActorSystem system, Func<PolicyServerModel> serving, bool clustered, ILogger logger)
    {
        var model = serving();
        var ledgerLog = HasDatabase(model) && model.Sql.Database(model.Cron.Db) is { } database
            ? new CronLedgerLog(database.Description, database.ReasonOf, logger)
            : new CronLedgerLog("memory", static failure => failure.Message, logger);
        // In a cluster another node may have run what was due since this one started.
        DateTimeOffset? started = clustered ? null : model.Chains.Clock.GetUtcNow();
        var props = CronActor.Props(
            () => serving().Cron,
            async (task, ct) => await serving().CronAsync([task], ct).ConfigureAwait(false),
            model.Chains.Clock,
            ledgerLog,
            () =>
            {
                // For the first that has read the ledger: one that follows after a failure begins at its own time.
                var since = started;
                started = null;
                return since;
            });
        var supervised = BackoffSupervisor.Props(Backoff.OnStop(props, Name, s_firstWait, s_longestWait, 0.2, -1));
        return new CronScheduler(system, model, supervised, clustered, ledgerLog);
    }

    /// <summary>How long a server that is alone waits after its start before it reads the ledger.</summary>
    /// <param name="tasks">Its tasks.</param>
    /// <param name="now">The time of its start.</param>
    /// <param name="hasDatabase">Whether the ledger is in a database. One in memory is empty.</param>
    internal static TimeSpan WaitAfterStart(IEnumerable<CronTask> tasks, DateTimeOffset now, bool hasDatabase)
    {
        var due = tasks.Min(task => task.Next(now)) - s_beforeTask - now;
        var longest = hasDatabase ? s_afterStart : s_afterStartInMemory;
        return due > longest || due is null ? longest : due > TimeSpan.Zero ? due.Value : TimeSpan.Zero;
    }

    /// <summary>The model has changed: the scheduler, if it runs on this node, takes its tasks from it.</summary>
    internal void Reload()
    {
        _needed.TrySetResult();
        _system.EventStream.Publish(CronActor.OptionsChanged.Instance);
    }

    /// <summary>The tasks, with their last runs and next times.</summary>
    /// <param name="timeout">How long to wait.</param>
    /// <exception cref="TimeoutException">The cron scheduler does not run, since its ledger's database is away.</exception>
    public async Task<CronProtocol.TaskList> ListAsync(TimeSpan timeout) =>
        await AskAsync<CronProtocol.TaskList>(new CronProtocol.ListTasks(), timeout).ConfigureAwait(false);

    /// <summary>
    /// Runs a task now and waits for its end: <see cref="CronProtocol.TaskRan"/> or <see cref="CronProtocol.NoSuchTask"/>.
    /// </summary>
    /// <param name="task">The task.</param>
    /// <param name="timeout">How long to wait.</param>
    /// <exception cref="TimeoutException">The cron scheduler does not run, or the task has not ended in time.</exception>
    public Task<ICronMessage> RunAsync(string task, TimeSpan timeout) => AskAsync<ICronMessage>(new CronProtocol.RunTask(task), timeout);

    private static bool HasDatabase(PolicyServerModel model) => model.Sql.Contains(model.Cron.Db);

    private async Task<IActorRef> StartAsync(PolicyServerModel model, Props props, bool clustered, CronLedgerLog ledgerLog)
    {
        if (HasDatabase(model))
        {
            await PrepareAsync(model.Sql.Database(model.Cron.Db), ledgerLog).ConfigureAwait(false);
        }

        if (clustered)
        {
            return ClusterCronScheduler.Start(_system, props, Name);
        }

        var clock = model.Chains.Clock;
        using var waited = new CancellationTokenSource();
        var wait = Task.Delay(WaitAfterStart(model.Cron.Tasks, clock.GetUtcNow(), HasDatabase(model)), clock, waited.Token);
        await Task.WhenAny(wait, _needed.Task, _system.WhenTerminated).ConfigureAwait(false);
        await waited.CancelAsync().ConfigureAwait(false);
        return _system.WhenTerminated.IsCompleted ? throw Stopping() : _system.ActorOf(props, Name + "-supervisor");
    }

    private async Task PrepareAsync(SqlDatabase database, CronLedgerLog ledgerLog)
    {
        var backOff = new ExponentialDelay(s_firstWait, s_longestWait);
        while (!_system.WhenTerminated.IsCompleted)
        {
            try
            {
                using var timeout = new CancellationTokenSource(TimeSpan.FromSeconds(30));
                // Away from the caller: SQLite opens its file before it returns.
                await Task.Run(() => CronLedgerStore.PrepareAsync(database, timeout.Token), timeout.Token).ConfigureAwait(false);
                return;
            }
            catch (Exception e) when (e is DbException or OperationCanceledException or TimeoutException or InvalidOperationException)
            {
                ledgerLog.Away(e);
                await Task.WhenAny(Task.Delay(backOff.Next()), _system.WhenTerminated).ConfigureAwait(false);
            }
        }

        throw Stopping();
    }

    private static OperationCanceledException Stopping() => new("the server stops");

    private async Task<T> AskAsync<T>(ICronMessage question, TimeSpan timeout)
    {
        _needed.TrySetResult();
        var asked = DateTime.UtcNow;
        var actor = await _actor.WaitAsync(timeout).ConfigureAwait(false);
        var left = timeout - (DateTime.UtcNow - asked);
        try
        {
            return await actor.Ask<T>(question, left > TimeSpan.Zero ? left : TimeSpan.FromMilliseconds(1)).ConfigureAwait(false);
        }
        catch (AskTimeoutException e)
        {
            throw new TimeoutException($"the cron scheduler {Waited.TimedOut(timeout)}", e);
        }
    }
}
