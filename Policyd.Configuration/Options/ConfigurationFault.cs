using System.Reflection;

namespace Policyd.Configuration.Options;

/// <summary>What an exception of somebody's code says to an operator who reads it behind a place of his configuration.</summary>
public static class ConfigurationFault
{
    /// <summary>
    /// The message of the exception below those that only carry it. The name of the exception stands before messages that are about the
    /// program and not about the configuration: its author needs it, and the operator sees whose fault it is.
    /// </summary>
    /// <param name="exception">What was thrown.</param>
    public static string Of(Exception exception)
    {
        ArgumentNullException.ThrowIfNull(exception);
        while (exception is TargetInvocationException or TypeInitializationException or AggregateException
            && exception.InnerException is { } inner)
        {
            exception = inner;
        }

        return exception is ArgumentException or FormatException or InvalidOperationException or IOException or UnauthorizedAccessException
            ? exception.Message
            : $"{exception.GetType().Name}: {exception.Message}";
    }
}
