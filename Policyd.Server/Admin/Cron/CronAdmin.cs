using Policyd.Actors.Cron;
using Policyd.Actors.Server;
using Policyd.Plugins.Sources;

namespace Policyd.Server.Admin.Cron;

/// <summary>The cron scheduler of the running server, and what to tell when there is none or it does not answer.</summary>
internal sealed class CronAdmin(IPolicyServerHandle server)
{
    /// <summary>Asks it.</summary>
    /// <param name="question">The question.</param>
    /// <param name="runs">Whether it is answered only when a task has ended.</param>
    /// <exception cref="AdminException">The server has no scheduler, is still starting, or its ledger's database is away.</exception>
    public async Task<T> AskAsync<T>(Func<CronScheduler, Task<T>> question, bool runs = false)
    {
        if (!server.Model.Cron.Runs)
        {
            throw new AdminException(
                AdminError.NotFound, "periodic tasks are disabled in the server's configuration (cron { enabled = off })");
        }

        var since = TimeProvider.System.GetTimestamp();
        try
        {
            return await question(await server.PartAsync(static server => server.Cron));
        }
        catch (TimeoutException)
        {
            var ledger = $"the database of connection {server.Model.Cron.Db}, which holds the ledger, is unavailable";
            throw new AdminException(
                AdminError.Unavailable,
                $"{Waited.TimedOut(TimeProvider.System, since)}: {(runs ? $"the task is still running, or {ledger}" : ledger)}");
        }
    }
}
