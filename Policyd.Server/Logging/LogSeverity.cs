namespace Policyd.Server.Logging;

/// <summary>mtpolicyd's five log levels, 0 the gravest; the number is what <c>log_level</c> and <c>-l</c> take.</summary>
internal enum LogSeverity
{
    Error = 0,
    Warning = 1,
    Notice = 2,
    Info = 3,
    Debug = 4,
}

internal static class LogSeverities
{
    /// <summary>The word in a plain log line; "err" is what syslog and mtpolicyd call the first level.</summary>
    public static string Name(this LogSeverity severity) => severity switch
    {
        LogSeverity.Error => "err",
        LogSeverity.Warning => "warning",
        LogSeverity.Notice => "notice",
        LogSeverity.Info => "info",
        _ => "debug",
    };

    /// <summary>The severity of RFC 3164 section 4.1.1, which journald's <c>&lt;N&gt;</c> prefix uses too.</summary>
    public static int Syslog(this LogSeverity severity) => (int)severity + 3;
}
