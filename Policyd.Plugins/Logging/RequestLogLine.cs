using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;

namespace Policyd.Plugins.Logging;

// All lines of the chain go through here: what came from the network is escaped once, and a message is no format string.
internal static partial class ChainLog
{
    public static void Write(ILogger logger, LogLevel level, string message)
    {
        if (logger.IsEnabled(level))
        {
            var line = RequestLogLine.Escape(message);
            Line(logger, level, line);
        }
    }

    public static void Write(ILogger logger, LogLevel level, LogRecord record) =>
        logger.Log(level, default, record, null, LogRecord.Formatter);

    [LoggerMessage(EventId = 1, Message = "{Message}")]
    private static partial void Line(ILogger logger, LogLevel level, string message);
}

/// <summary>The line of a request, and texts that stand in lines.</summary>
public static class RequestLogLine
{
    /// <summary>The level at which the line of a request is logged: mtpolicyd's.</summary>
    public const PolicyLogLevel Level = PolicyLogLevel.Notice;

    /// <summary>Whether a log shows the lines of requests.</summary>
    /// <param name="logger">The log.</param>
    public static bool IsShown(ILogger logger) => logger.IsEnabled(LogLevel.Information);

    /// <summary>The text on one line, control characters as <c>\xNN</c>.</summary>
    /// <param name="text">Any text.</param>
    public static string Escape(string text)
    {
        var first = 0;
        while (first < text.Length && !NeedsEscape(text[first]))
        {
            first++;
        }

        if (first == text.Length)
        {
            return text;
        }

        var line = new StringBuilder(text, 0, first, text.Length + 16);
        foreach (var c in text.AsSpan(first))
        {
            if (NeedsEscape(c))
            {
                line.Append(CultureInfo.InvariantCulture, $"{(c < 0x100 ? "\\x" : "\\u")}{(int)c:x2}");
            }
            else
            {
                line.Append(c);
            }
        }

        return line.ToString();
    }

    private static bool NeedsEscape(char c) => char.IsControl(c) || c is '\u2028' or '\u2029';
}
