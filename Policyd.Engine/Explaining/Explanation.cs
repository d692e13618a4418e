using System.Diagnostics;
using Policyd.Engine.Chain;
using Policyd.Engine.Decisions;
using Policyd.Engine.Model;
using Policyd.Plugins.Sessions;
using Policyd.Protocol;

namespace Policyd.Engine.Explaining;

/// <summary>
/// What would become of a request: its chain is run without side effects, and each plugin tells what it reads and compares.
/// </summary>
/// <param name="VirtualHost">The name of the virtual host.</param>
/// <param name="Outcome">What came out.</param>
/// <param name="Rule">The plugin whose action is answered, or that failed; null when none said anything.</param>
/// <param name="Elapsed">How long it took.</param>
/// <param name="Steps">What each plugin did.</param>
public sealed record Explanation(
    string VirtualHost, ChainOutcome Outcome, string? Rule, TimeSpan Elapsed, IReadOnlyList<DecisionStep> Steps)
{
    /// <summary>Explains a request. Counters and the session are read, nothing is written.</summary>
    /// <param name="model">The model that would answer.</param>
    /// <param name="host">One of its virtual hosts.</param>
    /// <param name="request">The request.</param>
    /// <param name="ct">The caller's patience.</param>
    public static async Task<Explanation> OfAsync(PolicyServerModel model, VirtualHost host, PolicyRequest request, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(host);
        ArgumentNullException.ThrowIfNull(request);
        var session = request.Instance.Length > 0
            ? await model.Sessions.LoadAsync(request.Instance, ct).AsTask().WaitAsync(ct).ConfigureAwait(false)
            : null;
        var recorder = new DecisionRecorder(DecisionDepth.Facts, model.Chains.Clock);
        var started = Stopwatch.GetTimestamp();
        var outcome = await host.RehearseAsync(request, session ?? new Session(), model.Options.RequestTimeout, recorder)
            .ConfigureAwait(false);
        var elapsed = Stopwatch.GetElapsedTime(started);
        var steps = recorder.Close();
        return new Explanation(
            host.Name,
            outcome,
            outcome.Action is null ? outcome.Plugin : new DecisionTrail(model.Chains.Clock.GetUtcNow(), steps).Rule,
            elapsed,
            steps);
    }

    /// <summary>The virtual host that would answer a request; null when that cannot be told without its name.</summary>
    /// <param name="model">The model.</param>
    /// <param name="request">The request.</param>
    /// <param name="name">The name of the virtual host, when it is given.</param>
    public static VirtualHost? HostOf(PolicyServerModel model, PolicyRequest request, string? name)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(request);
        name ??= model.Options.VhostByPolicyContext ? request.PolicyContext : null;
        return model.VirtualHosts.FirstOrDefault(host => host.Name == name)
            ?? (name is null or "" && model.VirtualHosts is [var only] ? only : null);
    }
}
