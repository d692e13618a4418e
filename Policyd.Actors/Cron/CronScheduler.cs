using System.Data.Common;
using Akka.Actor;
using Akka.Configuration;
using Akka.Pattern;
using Microsoft.Extensions.Logging;
using Policyd.Backends.Sql;
using Policyd.Engine.Model;
using Policyd.Plugins.Sources;

namespace Policyd.Actors.Cron;

/// <summary>
/// Starts the cron scheduler and asks it: alone on this node, or, where the server is a cluster, once in all of it. A ledger whose database
/// is away is tried again until it is there; meanwhile no task runs, for nobody could note that it did.
/// </summary>
public sealed class CronScheduler
{
    private const string Name = "cron-scheduler";
    private static readonly TimeSpan s_firstWait = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_longestWait = TimeSpan.FromMinutes(1);

    private readonly Task<IActorRef> _actor;

    private CronScheduler(Task<IActorRef> actor) => _actor = actor;

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
        var props = CronActor.Props(
            () => serving().Cron,
            async (task, ct) => await serving().CronAsync([task], ct).ConfigureAwait(false),
            model.Chains.Clock,
            ledgerLog);
        var supervised = BackoffSupervisor.Props(Backoff.OnStop(props, Name, s_firstWait, s_longestWait, 0.2, -1));
        return new CronScheduler(StartAsync(system, model, supervised, clustered, ledgerLog));
    }

    /// <summary>The model has changed: the scheduler of this node, if it runs here, takes its tasks from it.</summary>
    internal static void Reload(ActorSystem system) => system.EventStream.Publish(CronActor.OptionsChanged.Instance);

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

    private static async Task<IActorRef> StartAsync(
        ActorSystem system, PolicyServerModel model, Props props, bool clustered, CronLedgerLog ledgerLog)
    {
        if (HasDatabase(model))
        {
            await PrepareAsync(system, model.Sql.Database(model.Cron.Db), ledgerLog).ConfigureAwait(false);
        }

        return clustered ? ClusterCronScheduler.Start(system, props, Name) : system.ActorOf(props, Name + "-supervisor");
    }

    private static async Task PrepareAsync(ActorSystem system, SqlDatabase database, CronLedgerLog ledgerLog)
    {
        var backOff = new ExponentialDelay(s_firstWait, s_longestWait);
        while (!system.WhenTerminated.IsCompleted)
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
                await Task.WhenAny(Task.Delay(backOff.Next()), system.WhenTerminated).ConfigureAwait(false);
            }
        }

        throw new OperationCanceledException("the server stops");
    }

    private async Task<T> AskAsync<T>(ICronMessage question, TimeSpan timeout)
    {
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
