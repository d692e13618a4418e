using System.Globalization;
using System.Text;
using Policyd.Server.Admin.Decisions;
using Policyd.Server.Logging;

namespace Policyd.Server.Commands;

/// <summary>
/// A decision for people, on a line, as <c>trace</c> and <c>decisions</c> show it, or with all that is known of it, as <c>explain</c> does.
/// Each text is escaped: it comes from whoever sends mail, and must not drive the terminal.
/// </summary>
/// <param name="output">What it is written to.</param>
/// <param name="timeFormat">How the time of a line is written.</param>
internal sealed class DecisionView(TextWriter output, string timeFormat = "HH:mm:ss.fff")
{
    /// <summary>The decision on a line, and its plugins below it.</summary>
    public void WriteLine(TraceReport report)
    {
        var text = new StringBuilder(report.Time?.ToString(timeFormat, CultureInfo.InvariantCulture));
        text.Append(CultureInfo.InvariantCulture, $" {report.VirtualHost ?? "-"} {report.ProtocolState ?? "-"}");
        Add("queue_id", report.QueueId);
        Add("client", report.ClientAddress);
        Add("user", report.SaslUsername);
        Add("sender", report.Sender is "" ? "<>" : report.Sender);
        Add("recipient", report.Recipient);
        text.Append(CultureInfo.InvariantCulture, $": {report.Action ?? "no answer"}");
        Add("rule", report.Rule);
        Add("observed", report.Observed);
        Add("error", report.Error);
        Add("id", report.Id);
        text.Append(CultureInfo.InvariantCulture, $" {report.ElapsedMs:0.0##} ms");
        output.WriteLine(LogText.OneLine(text.ToString()));
        new PluginView(output, "    ").Write(report.Plugins ?? []);

        void Add(string name, string? value)
        {
            if (value is not null)
            {
                text.Append(CultureInfo.InvariantCulture, $" {name}={value}");
            }
        }
    }

    /// <summary>The whole decision: the chain as it ran, then what the request was and what became of it.</summary>
    public void WriteWhole(TraceReport report)
    {
        new PluginView(output).Write(report.Plugins ?? []);
        Pair("id", report.Id);
        Pair("time", report.Time is { } time ? Shown.Time(time) : null);
        Pair("node", report.Node);
        Pair("instance", report.Instance);
        Pair("protocol state", report.ProtocolState);
        Pair("queue id", report.QueueId);
        Pair("client", report.ClientAddress);
        Pair("helo", report.HeloName);
        Pair("user", report.SaslUsername);
        Pair("sender", report.Sender is "" ? "<>" : report.Sender);
        Pair("recipient", report.Recipient);
        WriteResult(report.VirtualHost, report.Action, report.Rule, report.Observed, report.Error, report.ElapsedMs ?? 0);
    }

    /// <summary>The chain of an explanation, and what came out.</summary>
    public void WriteWhole(ExplainReport report)
    {
        new PluginView(output).Write(report.Plugins);
        WriteResult(report.VirtualHost, report.Action, report.Rule, report.Observed, report.Error, report.ElapsedMs);
    }

    private void WriteResult(string? host, string? action, string? rule, string? observed, string? error, double elapsed)
    {
        Pair("virtual host", host);
        Pair("action", action ?? "none: the connection is closed without an answer");
        Pair("rule", rule);
        Pair("observed", observed);
        Pair("error", error);
        Pair("time", string.Create(CultureInfo.InvariantCulture, $"{elapsed:0.0##} ms"));
    }

    private void Pair(string name, string? value)
    {
        if (value is not null)
        {
            output.WriteLine(LogText.OneLine($"{name,-15} {value}"));
        }
    }
}
