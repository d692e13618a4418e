using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;
using Policyd.Plugins.Api;

namespace Policyd.Plugins.Chain;

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

    [LoggerMessage(Message = "{Message}")]
    private static partial void Line(ILogger logger, LogLevel level, string message);
}

/// <summary>The one line that is logged for each request, as mtpolicyd's, except that the elapsed time is the real one.</summary>
public static class RequestLogLine
{
    /// <summary>The level at which the line is logged.</summary>
    public const PolicyLogLevel Level = PolicyLogLevel.Info;

    /// <summary><c>VHOST: instance=I, type=T, t=12.3ms, plugin=P, result=ACTION</c>, control characters escaped.</summary>
    /// <param name="virtualHost">The virtual host's name.</param>
    /// <param name="instance">The request's instance.</param>
    /// <param name="type">The request's type.</param>
    /// <param name="elapsed">From the request's arrival to its answer.</param>
    /// <param name="outcome">What came out.</param>
    public static string Format(string virtualHost, string instance, string type, TimeSpan elapsed, in ChainOutcome outcome) =>
        Escape(string.Create(
            CultureInfo.InvariantCulture,
            $"{virtualHost}: instance={instance}, type={type}, t={elapsed.TotalMilliseconds:0.0}ms, plugin={outcome.Plugin ?? "none"}, result={outcome.Action ?? "failed"}"));

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
