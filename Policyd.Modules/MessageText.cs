using System.Text;
using Policyd.Plugins.Api;
using Policyd.Protocol;

namespace Policyd.Modules;

// The texts that stand behind reject or defer: they are no actions, and yet become a part of one that Postfix has to obey.
internal static class MessageText
{
    /// <summary>
    /// The text with what the grammar would refuse it for made harmless: control characters are spaces, and what was no valid UTF-8 a
    /// question mark. A stranger's bytes in a text of somebody else would fail the plugin.
    /// </summary>
    /// <param name="text">The text.</param>
    public static string Harmless(string text) =>
        text.AsSpan().ContainsAnyExceptInRange(' ', '~')
            ? string.Concat(text.EnumerateRunes().Select(static rune => Rune.IsControl(rune) ? " "
                : rune == Rune.ReplacementChar ? "?" : rune.ToString()))
            : text;

    /// <summary>The action with the text; what Postfix would not obey is an error at the text's option, not with the first mail.</summary>
    /// <param name="setup">The plugin's.</param>
    /// <param name="option">The option that has the text.</param>
    /// <param name="action">The word before it.</param>
    /// <param name="text">The text.</param>
    public static ActionTemplate ActionOf(PluginSetup setup, string option, string action, string text)
    {
        var template = new ActionTemplate($"{action} {text}");
        if (setup.Grammar.Judge(template.Sample, out var problem) != ActionVerdict.Fits)
        {
            setup.Error(option, problem!);
        }

        return template;
    }
}
