using Akka.Streams.Implementation.Fusing;
using Akka.Streams.Stage;

namespace Policyd.Actors.Connections;

/// <summary>
/// Brings events of any thread into a stage of a stream. <see cref="GraphStageLogic"/>'s own callback makes a closure for each event: with
/// two events a request that was an eighth of all garbage. In return this one can only be made, and called, once the stage runs.
/// </summary>
internal sealed class StageCallback<T>
    where T : class
{
    private readonly GraphInterpreter _interpreter = GraphInterpreter.Current;
    private readonly GraphStageLogic _stage;
    private readonly Action<object> _handler;

    /// <summary>Called within one of the stage's handlers: it is known there who runs the stage.</summary>
    /// <param name="stage">The stage.</param>
    /// <param name="handler">What it does with an event, as if it came from the stream. Not called when the stage has ended.</param>
    public StageCallback(GraphStageLogic stage, Action<T> handler)
    {
        _stage = stage;
        _handler = told => handler((T)told);
    }

    /// <summary>On any thread.</summary>
    public void Tell(T told) => _interpreter.OnAsyncInput(_stage, told, GraphStageLogic.NoPromise, _handler);
}
