using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Policyd.Actors.Server;
using Policyd.Engine.Model;
using Policyd.Engine.Reloading;

namespace Policyd.Server.History;

/// <summary>
/// The server's history of decisions, which a reload may begin, end, or put elsewhere. Without <c>policyd { decisions { } }</c> nothing is
/// made. It begins before the first listener is bound, and ends after the last request is answered.
/// </summary>
internal sealed class DecisionHistory(IPolicyServerHandle server, ILogger logger) : IHostedService
{
    private readonly Lock _lock = new();
    private HistoryWriter? _writer;
    private long _storedBefore;
    private long _droppedBefore;

    /// <summary>How many decisions this process has stored.</summary>
    public long Stored
    {
        get
        {
            lock (_lock)
            {
                return _storedBefore + (_writer?.Stored ?? 0);
            }
        }
    }

    /// <summary>How many decisions this process has dropped.</summary>
    public long Dropped
    {
        get
        {
            lock (_lock)
            {
                return _droppedBefore + (_writer?.Dropped ?? 0);
            }
        }
    }

    /// <summary>The database of the history, when no decision can be stored there now, with the reason.</summary>
    public (string Connection, string Reason)? Away
    {
        get
        {
            lock (_lock)
            {
                return _writer is { Trouble: { } reason } writer ? (writer.Connection, reason) : null;
            }
        }
    }

    public Task StartAsync(CancellationToken cancellationToken) => UseAsync(New(server.Model));

    public Task StopAsync(CancellationToken cancellationToken) => UseAsync(null);

    /// <summary>A reload has taken place.</summary>
    /// <param name="former">The model before it.</param>
    /// <param name="model">The model that serves now.</param>
    public Task ReloadedAsync(PolicyServerModel former, PolicyServerModel model) =>
        SectionText.AreSame(former.Section["decisions"], model.Section["decisions"])
            && (model.Options.Decisions is not { } options || model.SharesConnection(options.Db, former))
            ? Task.CompletedTask
            : UseAsync(New(model));

    private HistoryWriter? New(PolicyServerModel model) => model.Options.Decisions is { What: not KeptDecisions.Off } options
        ? new HistoryWriter(options, model.Sql.DecisionStore(options.Db), NameOf(model), server.Decisions, logger)
        : null;

    private static string NameOf(PolicyServerModel model) =>
        model.Options.Cluster?.Advertised.ToString() ?? Environment.MachineName;

    // The new one listens already. A decision that both have heard of is one row.
    private async Task UseAsync(HistoryWriter? writer)
    {
        HistoryWriter? former;
        long stored, dropped;
        lock (_lock)
        {
            (former, _writer) = (_writer, writer);
            if (former is null)
            {
                return;
            }

            (stored, dropped) = (former.Stored, former.Dropped);
            _storedBefore += stored;
            _droppedBefore += dropped;
        }

        await former.DisposeAsync();
        lock (_lock)
        {
            _storedBefore += former.Stored - stored;
            _droppedBefore += former.Dropped - dropped;
        }
    }
}
