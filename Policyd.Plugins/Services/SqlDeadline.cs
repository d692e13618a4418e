using System.Data.Common;
using Policyd.Plugins.Api;
using Policyd.Plugins.Sources;
using Policyd.Plugins.Sql;

namespace Policyd.Plugins.Services;

// How long a plugin waits for its database, and how it hears what went wrong there.
internal static class SqlDeadline
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(5);

    // A cron task has no mail that waits for it, and may look at a whole table.
    private static readonly TimeSpan s_cronTimeout = TimeSpan.FromMinutes(1);

    /// <summary>Runs to the plugin's <c>timeout</c>, 5 s if it has none, and in any case not to the end of its time.</summary>
    public static async ValueTask<T> KeepAsync<T>(
        Plugin plugin, PluginContext context, string database, Func<CancellationToken, Task<T>> run)
    {
        using var timeout = SourceTime.For(context, plugin.Timeout > TimeSpan.Zero ? plugin.Timeout : s_timeout);
        return await ExplainedAsync(database, run, timeout.Token).ConfigureAwait(false);
    }

    /// <summary>The same for a cron task: to the end of the server, and a minute at most.</summary>
    public static async ValueTask<T> KeepAsync<T>(CronContext cron, string database, Func<CancellationToken, Task<T>> run)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cron.Cancellation);
        timeout.CancelAfter(s_cronTimeout);
        return await ExplainedAsync(database, run, timeout.Token).ConfigureAwait(false);
    }

    private static async Task<T> ExplainedAsync<T>(string database, Func<CancellationToken, Task<T>> run, CancellationToken ct)
    {
        try
        {
            return await run(ct).ConfigureAwait(false);
        }
        catch (InvalidDataException exception)
        {
            throw new InvalidDataException($"{database}: {exception.Message}", exception);
        }
        catch (DbException exception) when (exception is not SqlAwayException)
        {
            throw new SqlRefusedException($"{database}: {exception.Message}", exception);
        }
    }
}
