using Microsoft.Extensions.Logging;

namespace HelloWorld;

/// <summary>The plugin's lines in the log that belong to no request.</summary>
internal static partial class Greetings
{
    [LoggerMessage(Level = LogLevel.Information, Message = "HelloWorld greeted {Count} times this week")]
    public static partial void LogCount(ILogger logger, ulong count);
}
