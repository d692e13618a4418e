using Policyd.Configuration.Options;
using Policyd.Configuration.Tree;

namespace Policyd.Engine.Model;

// What stands beside policyd { } at the root of a configuration. Any key may, since substitutions take values from there; but a section
// whose name is nearly ours, or an option of ours outside of its section, would be passed over in silence.
internal static class RootSections
{
    private const string Own = "policyd";
    private static readonly string[] s_known = [Own, "akka"];
    private static readonly string[] s_sections = ["connections", "session_cache", "virtual_hosts", "cron"];

    public static void Check(ConfigObject root, DiagnosticBag diagnostics)
    {
        if (root["akka"] is { } akka and not ConfigObject and not ConfigScalar { IsNull: true })
        {
            diagnostics.Error(akka.Position, $"akka: expected a section {{ }}, found {akka.Describe()}");
        }

        var strangers = root.Members.Where(member => !s_known.Contains(member.Key)).ToList();
        var meant = strangers.Find(member => OptionNames.Closest(member.Key, s_known) is Own && member.Value is ConfigObject);
        switch (root[Own])
        {
            case ConfigObject section:
                Warn(strangers, section, diagnostics);
                break;
            case null when meant is not null:
                diagnostics.Error(
                    meant.KeyPosition, $"there is no section policyd {{ }}, but a section \"{meant.Key}\"; did you mean \"policyd\"?");
                break;
            case null when strangers.Find(member => IsOption(member.Key)) is { } option:
                diagnostics.Error(option.KeyPosition, $"there is no section policyd {{ }}; put {option.Key} and the other options into it");
                break;
            case null:
                var others = string.Join(", ", strangers.Take(5).Select(member => member.Key));
                diagnostics.Error(
                    root.Position, $"there is no section policyd {{ }}{(strangers.Count == 0 ? "" : $"; the file has {others}")}");
                break;
            case var other:
                diagnostics.Error(other.Position, $"policyd: expected a section {{ listen, virtual_hosts, … }}, found {other.Describe()}");
                break;
        }
    }

    private static void Warn(List<ConfigMember> strangers, ConfigObject section, DiagnosticBag diagnostics)
    {
        foreach (var member in strangers)
        {
            // The same place: a substitution has taken it over.
            if (section[member.Key] is { } taken && taken.Position == member.Value.Position)
            {
                continue;
            }

            if (IsOption(member.Key))
            {
                diagnostics.Warning(
                    member.KeyPosition, $"{member.Key} is outside policyd {{ }} and has no effect; a brace may close too early");
            }
            else if (member.Value is ConfigObject && OptionNames.Closest(member.Key, s_known) is { } close)
            {
                diagnostics.Warning(member.KeyPosition, $"the section \"{member.Key}\" has no effect; did you mean \"{close}\"?");
            }
        }
    }

    private static bool IsOption(string key) => s_sections.Contains(key) || OptionSchema.Of(typeof(ServerOptions)).Find(key) is not null;
}
