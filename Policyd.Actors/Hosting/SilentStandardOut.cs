using Akka.Event;

namespace Policyd.Actors.Hosting;

/// <summary>
/// What Akka says before our log takes its events and after it was let go, which Akka would print to the standard output in a form of its
/// own, whatever <c>stdout-loglevel</c> says at a stop: nothing. A start that fails is told by an exception.
/// </summary>
internal sealed class SilentStandardOut : MinimalLogger
{
    protected override void Log(object message)
    {
    }
}
