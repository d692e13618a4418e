using Microsoft.Extensions.Logging;

namespace Policyd.Server.Logging;

internal static class LogLevels
{
    /// <summary>
    /// .NET's levels onto mtpolicyd's, one to one: <c>Information</c> is notice, the level that mtpolicyd shows by default, so
    /// that "listening on" is seen; what is of interest only when one looks for something is <c>Debug</c>, its info.
    /// </summary>
    public static LogSeverity SeverityOf(LogLevel level) => level switch
    {
        LogLevel.Critical or LogLevel.Error => LogSeverity.Error,
        LogLevel.Warning => LogSeverity.Warning,
        LogLevel.Information => LogSeverity.Notice,
        LogLevel.Debug => LogSeverity.Info,
        _ => LogSeverity.Debug,
    };
}
