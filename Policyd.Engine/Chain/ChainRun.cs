using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Policyd.Engine.Decisions;
using Policyd.Plugins.Addresses;
using Policyd.Plugins.Api;
using Policyd.Plugins.Dns;
using Policyd.Plugins.Sessions;
using Policyd.Protocol;

namespace Policyd.Engine.Chain;

// One request on its way through a virtual host's chain and the chains nested in it: what the chain itself has to know of it.
internal class ChainRun : RequestRun
{
    private DnsBudget? _lookups;
    private DecisionRemarks? _remarks;

    public ChainRun(
        PolicyRequest request, Session session, VirtualHost host, ChainEnvironment environment, long deadline, DecisionRecorder? recorder)
        : base(request, session)
    {
        (Host, Environment, Deadline, Recorder) = (host, environment, deadline, recorder);
        TakesFacts = recorder?.Depth == DecisionDepth.Facts;
    }

    // The whole of it is a rehearsal. When an operator asks, and no client, the log hears nothing of it.
    public static ChainRun Rehearsal(
        PolicyRequest request,
        Session session,
        VirtualHost host,
        ChainEnvironment environment,
        long deadline,
        DecisionRecorder? recorder,
        bool explains) =>
        new(request, session.Restored(session.Snapshot()), host, environment, deadline, recorder)
        {
            IsRehearsal = true,
            IsExplanation = explains,
        };

    public override string VirtualHost => Host.Name;

    public override TimeProvider Clock => Environment.Clock;

    public override ILogger Logger => IsExplanation ? NullLogger.Instance : Environment.Logger;

    public override ActionGrammar Grammar => Environment.Grammar;

    public VirtualHost Host { get; }

    public ChainEnvironment Environment { get; }

    /// <summary>Timestamp at which plugins are given up: the request's deadline less the reserve in which the answer is sent.</summary>
    public long Deadline { get; }

    /// <summary>What the run is recorded in; null when nobody listens.</summary>
    public DecisionRecorder? Recorder { get; }

    public string? LastPlugin { get; set; }

    /// <summary>The first failure of a plugin, in words for the line of the request, also when the chain went on after it.</summary>
    public string? Failure { get; private set; }

    /// <summary>The decision's name, where a text shows it, and what was observed; null when there is none of it.</summary>
    public DecisionRemarks? Remarks => Volatile.Read(ref _remarks);

    /// <summary>A plugin that is observed would have answered.</summary>
    public void AddObserved(string? plugin, PluginResult result)
    {
        var (remarks, action) = (LazyInitializer.EnsureInitialized(ref _remarks), ActionPrecedence.Merge(result.Actions));
        var would = $"{plugin}: {ActionGrammar.Sanitize(action)}";
        remarks.Observed = remarks.Observed is null ? would : $"{remarks.Observed}, {would}";
        if (Refusals.Withholds(action))
        {
            remarks.WouldWithhold ??= plugin;
        }
    }

    /// <summary>
    /// What a plugin says, with the decision's name where a text asks for it. Where requests are only tried there is no decision.
    /// </summary>
    public PluginResult Named(PluginResult result)
    {
        if (result.Single is { } action)
        {
            return IsToBeNamed(action) ? PluginResult.Of([Named(action)], result.Aborts) : result;
        }

        return result.HasMany && result.Actions.Any(IsToBeNamed)
            ? PluginResult.Of([.. result.Actions.Select(Named)], result.Aborts)
            : result;
    }

    private bool IsToBeNamed(string action) => DecisionId.IsWantedIn(action) && !IsExplanation && Environment.Decides;

    private string Named(string action) => action.Replace(DecisionId.Place, Name(), StringComparison.Ordinal);

    private protected virtual string Name() => LazyInitializer.EnsureInitialized(ref _remarks).Name(Environment.Clock.GetUtcNow());

    /// <summary>A run within this one, of a plugin that is observed: what it writes to the session is not kept.</summary>
    public ChainRun Observing() => new ObservingRun(this);

    /// <summary>The second run of the request.</summary>
    /// <param name="session">The session as the request found it.</param>
    public ChainRun Again(Session session)
    {
        Recorder?.Restart();
        var again = new ChainRun(Request, session, Host, Environment, Deadline, Recorder)
        {
            IsRehearsal = IsRehearsal,
            IsExplanation = IsExplanation,
        };
        again.Follow(this);
        return again;
    }

    public override DnsBudget Lookups =>
        LazyInitializer.EnsureInitialized(ref _lookups, () => new DnsBudget(ClientAddress.Parse(Request.ClientAddress)));

    public override void AddFact(PluginContext reader, string name, string? value, string? comparedWith, string? result) =>
        Recorder!.Add(reader, name, value, comparedWith, result);

    public void Failed(PluginFailedException failure) =>
        Failure ??= failure.Plugin.Length > 0 ? $"plugin {failure.Plugin} {failure.Message}" : failure.Message;

    private sealed class ObservingRun : ChainRun
    {
        private readonly ChainRun _around;

        public ObservingRun(ChainRun around)
            : base(
                around.Request,
                around.Session.Restored(around.Session.Snapshot()),
                around.Host,
                around.Environment,
                around.Deadline,
                around.Recorder)
        {
            _around = around;
            IsRehearsal = true;
            IsExplanation = around.IsExplanation;
            TakeTime(around);
        }

        public override DnsBudget Lookups => _around.Lookups;

        private protected override string Name() => _around.Name();
    }
}

/// <summary>What chains of a server share.</summary>
/// <param name="Clock">The clock.</param>
/// <param name="Logger">The log of requests and plugins.</param>
/// <param name="Grammar">What Postfix obeys.</param>
public sealed record ChainEnvironment(TimeProvider Clock, ILogger Logger, ActionGrammar Grammar)
{
    /// <summary>The plugins that do not run, since requests are only tried and what these do may be seen outside; null: all run.</summary>
    internal IReadOnlySet<Plugin>? NotRun { get; init; }

    /// <summary>Whether what comes out is answered: not where requests are only tried.</summary>
    internal bool Decides { get; init; } = true;
}
