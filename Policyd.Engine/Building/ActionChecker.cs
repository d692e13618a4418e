using Policyd.Configuration.Tree;
using Policyd.Protocol;

namespace Policyd.Engine.Building;

// Checks the actions of a configuration. In an old mtpolicyd.conf an unknown word may be a restriction class of the operator's main.cf,
// which that language could not declare: a warning, and the word is taken as one.
internal sealed class ActionChecker(
    ConfigFormat format, ActionGrammar grammar, DiagnosticBag diagnostics, ICollection<string>? assumed = null)
{
    public ActionGrammar Grammar { get; private set; } = grammar;

    public void Check(string subject, string action, SourcePosition place)
    {
        var verdict = Grammar.Judge(action, out var problem);
        if (verdict == ActionVerdict.Fits)
        {
            return;
        }

        if (verdict == ActionVerdict.UnknownWord && format == ConfigFormat.Mtpolicyd)
        {
            diagnostics.Warning(place, $"{subject}: {problem}; policyd assumes that it is one of your smtpd_restriction_classes");
            var classes = action.Split([' ', '\t', ','], StringSplitOptions.RemoveEmptyEntries);
            Grammar = Grammar.WithRestrictionClasses(classes);
            foreach (var one in classes)
            {
                assumed?.Add(one);
            }
        }
        else
        {
            diagnostics.Error(place, $"{subject}: {problem}");
        }
    }
}
