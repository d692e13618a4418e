using Akka.Configuration;
using Policyd.Configuration.Options;

namespace Policyd.Actors.Network;

/// <summary>What an exception of Akka's says to an operator about his settings.</summary>
internal static class AkkaFault
{
    /// <summary>An exception and those below it; of several that came together the first.</summary>
    public static IEnumerable<Exception> Causes(Exception exception)
    {
        for (var one = exception; one is not null; one = one.InnerException)
        {
            yield return one;
        }
    }

    /// <summary>The message of the last cause: those above it only say where Akka was.</summary>
    public static ConfigurationException Of(Exception exception) =>
        Causes(exception).Last() is var cause && cause is ConfigurationException
            ? new ConfigurationException(cause.Message, exception)
            : new ConfigurationException(ConfigurationFault.Of(cause), exception);
}
