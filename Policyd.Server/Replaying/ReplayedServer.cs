using Microsoft.Extensions.Logging.Abstractions;
using Policyd.Backends.SqlCounters;
using Policyd.Counting.Memory;
using Policyd.Engine.Building;
using Policyd.Engine.Chain;
using Policyd.Engine.Model;
using Policyd.Engine.Replaying;
using Policyd.Plugins.Api;
using Policyd.Plugins.Sessions;
using Policyd.Server.Loading;

namespace Policyd.Server.Replaying;

/// <summary>What a configuration makes of a recorded request.</summary>
/// <param name="Action">The action; null when the connection would be closed.</param>
/// <param name="Plugin">The plugin that decided, or failed; null when none said anything.</param>
/// <param name="Failure">What failed; null when nothing did.</param>
internal readonly record struct ReplayAnswer(string? Action, string? Plugin, string? Failure);

/// <summary>A configuration that recorded requests are tried on, with counters, sessions and tickets of its own.</summary>
internal sealed class ReplayedServer : IDisposable
{
    // Tickets and traps are of these.
    private static readonly string[] s_remembered = ["client_address", "sender", "recipient", "sasl_username"];

    private readonly PolicyServerModel _model;
    private readonly Dictionary<string, VirtualHost> _hosts;
    private readonly IReadOnlyList<(string Connection, string Reason)> _notKnown;
    private readonly TemporaryCounterShelf _shelf;

    private ReplayedServer(
        PolicyServerModel model, TemporaryCounterShelf shelf, IReadOnlyList<(string Connection, string Reason)> notKnown)
    {
        (_model, _shelf, _notKnown) = (model, shelf, notKnown);
        _hosts = model.VirtualHosts.ToDictionary(static host => host.Name, StringComparer.Ordinal);
        MeetBy = MeetingsOf(model);
    }

    /// <summary>
    /// The attributes that counters, tickets and traps of the configuration are of: two requests without a common value of one of them see
    /// nothing of each other. Null: a counter is of something else, such as a network, so that any two may meet.
    /// </summary>
    public IReadOnlyList<string>? MeetBy { get; }

    /// <summary>What is not known of its counters, a line each.</summary>
    public IEnumerable<string> NotKnown => _notKnown.Select(static one =>
        $"{one.Connection}: {one.Reason}; keys of its counters are compared as they are written");

    /// <summary>Makes it; null when the configuration has errors, all of which are told.</summary>
    /// <param name="path">The configuration; null: the one that a server would find.</param>
    /// <param name="clock">The time of the requests.</param>
    /// <param name="isLive">Whether counters begin with what is in the database.</param>
    /// <param name="isOffline">Whether nobody is asked for lookups.</param>
    /// <param name="error">Where errors are told.</param>
    /// <param name="ct">Ends the wait for the databases.</param>
    public static async Task<ReplayedServer?> MakeAsync(
        string? path, ReplayClock clock, bool isLive, bool isOffline, TextWriter error, CancellationToken ct)
    {
        // The counters are made before the model that knows where their rows are.
        StoredRows? rows = null;
        KeySpellings? spellings = null;
        CounterOrigin? origin = isLive ? (key, window, ct) => rows!.ReadAsync(key, window, ct) : null;
        var shelf = new TemporaryCounterShelf();
        var counters = new MemoryCounters(clock, origin, key => spellings?.Of(key) ?? key, shelf);
        var environment = ReplayEnvironment.Create(clock, NullLoggerFactory.Instance, counters, isOffline);
        if (LoadedConfiguration.Read(path).Build(error, environment) is not { } model)
        {
            shelf.Dispose();
            return null;
        }

        var stores = model.CounterStores;
        rows = new StoredRows(stores);
        spellings = isLive || !isOffline
            ? await KeySpellings.LookAsync(stores, model.CounterTables.Select(static use => (use.Connection, use.Table)), ct)
            : null;
        return new ReplayedServer(model, shelf, spellings?.Unknown ?? []);
    }

    /// <summary>The plugins that do not run in a replay, each with its module.</summary>
    public IEnumerable<string> NotRun => _model.NotRun.Select(static plugin => $"{plugin.Name} ({Plugin.ModuleNameOf(plugin.GetType())})");

    private static IReadOnlyList<string>? MeetingsOf(PolicyServerModel model)
    {
        var tables = CounterCatalog.Of(model);
        return tables.All(static table => table.KeysAreValues)
            ? [.. s_remembered.Union(tables.SelectMany(static table => table.Attributes), StringComparer.Ordinal)]
            : null;
    }

    /// <summary>Tries a request. Null when the configuration has no virtual host of its name, and several others.</summary>
    public async ValueTask<ReplayAnswer?> AskAsync(RecordedRequest recorded)
    {
        if (!_hosts.TryGetValue(recorded.VirtualHost, out var host))
        {
            if (_hosts.Count != 1)
            {
                return null;
            }

            host = _model.VirtualHosts[0];
        }

        var instance = recorded.Request.Instance;
        var session = (instance.Length > 0 ? await _model.Sessions.LoadAsync(instance, CancellationToken.None) : null) ?? new Session();
        var outcome = await host.RunAsync(recorded.Request, session, _model.Options.RequestTimeout);
        if (instance.Length > 0)
        {
            await _model.Sessions.StoreAsync(instance, outcome.Session, CancellationToken.None);
        }

        return new ReplayAnswer(outcome.Action, outcome.Plugin, outcome.Failure);
    }

    public void Dispose() => _shelf.Dispose();
}
