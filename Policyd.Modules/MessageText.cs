using Policyd.Plugins.Api;
using Policyd.Protocol;

namespace Policyd.Modules;

// The texts that stand behind reject or defer: they are no actions, and yet become a part of one that Postfix has to obey.
internal static class MessageText
{
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
