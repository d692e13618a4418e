using Policyd.Engine.Decisions;
using Policyd.Engine.Logging;

namespace Policyd.Engine.Following;

/// <summary>Somebody who is told of each request that is answered: metrics, traces, a live view, a history.</summary>
public interface IDecisionListener
{
    /// <summary>How much it wants to know. Asked when it begins to listen.</summary>
    DecisionDepth Depth { get; }

    /// <summary>
    /// A request is answered. Called on the request path, by many threads at a time: it must be quick, never wait and never throw. Who
    /// keeps the record calls <see cref="RequestRecord.Hold"/>, and <see cref="RequestRecord.Written"/> when done with it.
    /// </summary>
    /// <param name="record">What became of the request. Its steps may be deeper than asked for, since others listen too.</param>
    void Decided(RequestRecord record);
}
