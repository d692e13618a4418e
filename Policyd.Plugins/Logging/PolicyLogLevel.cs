using Microsoft.Extensions.Logging;

namespace Policyd.Plugins.Logging;

/// <summary>The levels of <c>log_level</c>, as mtpolicyd numbers them.</summary>
public enum PolicyLogLevel
{
    /// <summary>0: something failed.</summary>
    Error,

    /// <summary>1: something is not as it should be.</summary>
    Warning,

    /// <summary>2: a normal yet notable event; the default of a server.</summary>
    Notice,

    /// <summary>3: what happens.</summary>
    Info,

    /// <summary>4: how it happens.</summary>
    Debug,
}

/// <summary>The one place where mtpolicyd's levels and those of <c>Microsoft.Extensions.Logging</c> are matched.</summary>
public static class PolicyLogLevels
{
    /// <summary>
    /// The level of the .NET log: 0 Error, 1 Warning, 2 Information, 3 Debug, 4 Trace; anything else the nearest of these.
    /// </summary>
    /// <param name="level">The level.</param>
    public static LogLevel ToLogLevel(this PolicyLogLevel level) => level switch
    {
        <= PolicyLogLevel.Error => LogLevel.Error,
        PolicyLogLevel.Warning => LogLevel.Warning,
        PolicyLogLevel.Notice => LogLevel.Information,
        PolicyLogLevel.Info => LogLevel.Debug,
        _ => LogLevel.Trace,
    };

    /// <summary>The level of a <c>log_level</c> option.</summary>
    /// <param name="level">The level.</param>
    public static PolicyLogLevel ToPolicyLogLevel(this LogLevel level) => level switch
    {
        LogLevel.Trace => PolicyLogLevel.Debug,
        LogLevel.Debug => PolicyLogLevel.Info,
        LogLevel.Information => PolicyLogLevel.Notice,
        LogLevel.Warning => PolicyLogLevel.Warning,
        _ => PolicyLogLevel.Error,
    };
}
