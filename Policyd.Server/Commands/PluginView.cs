using System.Globalization;
using System.Text;
using Policyd.Server.Admin.Decisions;
using Policyd.Server.Logging;

namespace Policyd.Server.Commands;

/// <summary>The plugins of a request for people: each on a line, with its facts below it, nested ones indented.</summary>
internal sealed class PluginView(TextWriter output, string margin = "")
{
    public void Write(IReadOnlyList<PluginReport> plugins)
    {
        foreach (var plugin in plugins)
        {
            var indent = margin + new string(' ', 2 * plugin.Depth);
            Line(string.Create(
                CultureInfo.InvariantCulture,
                $"{indent}{plugin.Name} ({plugin.Module}): {Told(plugin)}, {plugin.ElapsedMs:0.0##} ms"));
            foreach (var fact in plugin.Facts)
            {
                Line($"{indent}    {Told(fact)}");
            }
        }
    }

    // Each on one line: a value comes from whoever sends mail, and must not drive the terminal.
    private void Line(string text) => output.WriteLine(LogText.OneLine(text));

    private static string Told(PluginReport plugin)
    {
        var actions = string.Join(" | ", plugin.Actions);
        return plugin.Outcome switch
        {
            "nothing" => "nothing",
            "answered" => $"answers {actions}",
            "added" => $"adds {actions}",
            "aborted" => "ends the chain",
            "failed" => $"{plugin.Error}{(actions.Length > 0 ? $"; on_error answers {actions}" : "")}",
            "observed" => $"observed, would answer {(actions.Length > 0 ? actions : "nothing and end the chain")}",
            "not_run" => "not run: the module does not declare its side effects",
            _ => plugin.Outcome,
        };
    }

    private static string Told(FactReport fact)
    {
        var text = new StringBuilder($"{fact.Name}: {fact.Value ?? "-"}");
        if (fact.ComparedWith is not null)
        {
            text.Append(CultureInfo.InvariantCulture, $" (compared with {fact.ComparedWith})");
        }

        return fact.Result is null ? text.ToString() : $"{text}: {fact.Result}";
    }
}
