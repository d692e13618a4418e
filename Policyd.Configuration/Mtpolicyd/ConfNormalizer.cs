using Policyd.Configuration.Hocon;
using Policyd.Configuration.Options;
using Policyd.Configuration.Tree;

namespace Policyd.Configuration.Mtpolicyd;

// Sections and options of mtpolicyd.conf to the tree that HOCON gives: policyd { listen, …, connections {}, session_cache {},
// virtual_hosts [ { port, name, plugins [ … ] } ] }.
internal sealed class ConfNormalizer(DiagnosticBag diagnostics)
{
    private static readonly string[] s_sections = ["Connection", "SessionCache", "VirtualHost", "Plugin"];

    // What they did there, and why they need nobody here.
    private static readonly Dictionary<string, string> s_meaningless = new(StringComparer.Ordinal)
    {
        ["min_servers"] = "policyd has no process pool",
        ["max_servers"] = "policyd has no process pool",
        ["min_spare_servers"] = "policyd has no process pool",
        ["max_spare_servers"] = "policyd has no process pool",
        ["max_requests"] = "policyd has no process pool",
        ["user"] = "the service manager sets the user (User= in the systemd unit)",
        ["group"] = "the service manager sets the group (Group= in the systemd unit)",
        ["chroot"] = "the service manager isolates the process",
    };

    private List<string>? _orphanedComments;

    public ConfigObject Normalize(ConfSection root)
    {
        var members = new List<ConfigMember>();
        var connections = new List<ConfigMember>();
        var connectionsAt = 0;
        var hosts = new List<ConfigNode>();
        var seen = new Dictionary<string, ConfItem>(StringComparer.Ordinal);
        foreach (var item in root.Items)
        {
            switch (item)
            {
                case ConfOption option: AddGlobal(option, root, members, seen); break;
                case ConfSection { Name: "Connection" } section:
                    connectionsAt = connections.Count == 0 ? members.Count : connectionsAt;
                    AddNamed(section, connections);
                    break;
                case ConfSection { Name: "SessionCache" } section:
                    AddOnce("session_cache", section, Section(section), members, seen);
                    break;
                case ConfSection { Name: "VirtualHost" } section: hosts.Add(VirtualHost(section)); break;
                case ConfSection section:
                    diagnostics.Error(
                        section.Position, $"unknown section {section.Head}{OptionNames.DidYouMean(section.Name, s_sections)}");
                    break;
            }
        }

        if (connections.Count > 0)
        {
            members.Insert(
                connectionsAt,
                new ConfigMember("connections", connections[0].KeyPosition, new ConfigObject(connections, connections[0].KeyPosition)));
        }

        // Without a section mtpolicyd keeps no session: each recipient of a mail begins with a score of 0.
        if (hosts.Count > 0 && !seen.ContainsKey("session_cache"))
        {
            var none = new ConfigMember("module", root.Position, new ConfigScalar("None", ScalarKind.String, root.Position));
            members.Add(new ConfigMember("session_cache", root.Position, new ConfigObject([none], root.Position)));
        }

        if (hosts.Count > 0)
        {
            members.Add(new ConfigMember("virtual_hosts", hosts[0].Position, new ConfigArray(hosts, hosts[0].Position)));
        }

        var policyd = new ConfigObject(members, root.Position, closingComments: Comments(root.ClosingComments));
        return new ConfigObject([new ConfigMember("policyd", root.Position, policyd)], root.Position);
    }

    private void AddGlobal(ConfOption option, ConfSection root, List<ConfigMember> members, Dictionary<string, ConfItem> seen)
    {
        if (IsRepeated(option, root, seen))
        {
            return;
        }

        if (s_meaningless.TryGetValue(option.Name, out var why))
        {
            diagnostics.Notice(option.Position, $"{option.Name} has no effect and is ignored: {why}");
            (_orphanedComments ??= []).AddRange(option.Comments ?? []);
        }
        else if (option.Name == "host")
        {
            (_orphanedComments ??= []).AddRange(option.Comments ?? []);
            if (!root.Items.OfType<ConfOption>().Any(other => other.Name == "port"))
            {
                diagnostics.Notice(
                    option.Position, "host is ignored because port is not set; as in mtpolicyd, the default is 127.0.0.1:12345");
            }
        }
        else if (option.Name == "port")
        {
            var host = root.Items.OfType<ConfOption>().FirstOrDefault(other => other.Name == "host")?.Value.Text;
            members.Add(new ConfigMember("listen", option.Position, Listen(option, host)));
        }
        else
        {
            members.Add(Member(option));
        }
    }

    private ConfigArray Listen(ConfOption port, string? host)
    {
        var items = port.Value.Text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            .Select(ConfigNode (text) => new ConfigScalar(Endpoint(text, host), ScalarKind.String, port.Value.Position));
        return new ConfigArray([.. items], port.Value.Position, Comments(port.Comments), port.InlineComment);
    }

    // mtpolicyd's forms: PORT, HOST:PORT, either with /tcp; PATH|unix and PATH/unix.
    private static string Endpoint(string text, string? host)
    {
        foreach (var suffix in (string[])["|unix", "/unix"])
        {
            if (text.EndsWith(suffix, StringComparison.OrdinalIgnoreCase))
            {
                return "unix:" + text[..^suffix.Length];
            }
        }

        if (text.EndsWith("/tcp", StringComparison.OrdinalIgnoreCase) || text.EndsWith("|tcp", StringComparison.OrdinalIgnoreCase))
        {
            text = text[..^4];
        }

        var address = host is null or "" or "*" ? "0.0.0.0" : host.Contains(':') && !host.StartsWith('[') ? $"[{host}]" : host;
        return text.All(char.IsAsciiDigit)
            ? $"{address}:{text}"
            : text.StartsWith("*:", StringComparison.Ordinal) ? "0.0.0.0" + text[1..] : text;
    }

    private void AddNamed(ConfSection section, List<ConfigMember> members)
    {
        var name = section.Argument ?? "";
        if (name.Length == 0)
        {
            diagnostics.Error(section.Position, $"<{section.Name}> needs a name: <{section.Name} NAME>");
        }
        else if (members.Find(member => member.Key == name) is { } earlier)
        {
            diagnostics.Error(section.Position, $"{section.Head} is already defined at {earlier.KeyPosition.RelativeTo(section.Position)}");
        }
        else
        {
            members.Add(new ConfigMember(name, section.Position, Section(section)));
        }
    }

    private void AddOnce(string key, ConfSection section, ConfigNode value, List<ConfigMember> members, Dictionary<string, ConfItem> seen)
    {
        if (!seen.TryAdd(key, section))
        {
            diagnostics.Error(section.Position, $"{section.Head} is already defined at {seen[key].Position.RelativeTo(section.Position)}");
        }
        else
        {
            members.Add(new ConfigMember(key, section.Position, value));
        }
    }

    private ConfigObject VirtualHost(ConfSection section)
    {
        var port = section.Argument ?? "";
        if (port.Length == 0)
        {
            diagnostics.Error(section.Position, "<VirtualHost> needs a port: <VirtualHost 12345>");
        }

        return Section(
            section, new ConfigMember("port", section.Position, new ConfigScalar(port, HoconText.KindOf(port), section.Position)));
    }

    private ConfigObject Plugin(ConfSection section)
    {
        var name = section.Argument ?? "";
        if (name.Length == 0)
        {
            diagnostics.Error(section.Position, "<Plugin> needs a name: <Plugin NAME>");
        }

        foreach (var option in section.Items.OfType<ConfOption>())
        {
            WarnOfWord(option);
        }

        return Section(
            section, new ConfigMember("name", section.Position, new ConfigScalar(name, HoconText.KindOf(name), section.Position)));
    }

    // mtpolicyd compares these words as they are written. One that it did not know had no effect, and here it has one.
    private void WarnOfWord(ConfOption option)
    {
        var text = option.Value.Text;
        var word = text.Trim().ToLowerInvariant();
        if (option.Name is "enabled" or "check_helo" && text != "off" && ScalarConverters.Switch(text, out var on, out _) && !on)
        {
            diagnostics.Warning(
                option.Value.Position,
                $"{option.Name}: in mtpolicyd only \"off\" turns it off, so it was on with \"{text}\"; here it is off");
        }
        else if ((option.Name == "mode" || option.Name.EndsWith("_mode", StringComparison.Ordinal))
            && text != word && word is "reject" or "accept" or "dunno" or "defer")
        {
            diagnostics.Warning(
                option.Value.Position,
                $"{option.Name}: mtpolicyd knows this word in small letters only, so \"{text}\" had no effect; here it is {word}");
        }
    }

    private ConfigObject Section(ConfSection section, ConfigMember? first = null)
    {
        var comments = Comments(section.Comments);
        List<ConfigMember> members = first is null ? [] : [first];
        var plugins = new List<ConfigNode>();
        var seen = new Dictionary<string, ConfItem>(StringComparer.Ordinal);
        if (first?.Key == "name")
        {
            seen["name"] = section;
        }

        foreach (var item in section.Items)
        {
            switch (item)
            {
                case ConfOption { Name: "regex" } option: AddRegex(option, members); break;
                case ConfOption option when !IsRepeated(option, section, seen): members.Add(Member(option)); break;
                case ConfSection { Name: "Plugin" } inner: plugins.Add(Plugin(inner)); break;
                case ConfSection { Argument: null } inner:
                    AddOnce(inner.Name.ToLowerInvariant(), inner, Section(inner), members, seen);
                    break;
                case ConfSection inner:
                    diagnostics.Error(
                        inner.Position,
                        $"unknown section {inner.Head} in {section.Head}{OptionNames.DidYouMean(inner.Name, s_sections)}");
                    break;
            }
        }

        var closing = Comments(section.ClosingComments);
        if (plugins.Count > 0)
        {
            members.Add(
                new ConfigMember("plugins", plugins[0].Position, new ConfigArray(plugins, plugins[0].Position, closingComments: closing)));
        }

        return new ConfigObject(members, section.Position, comments, section.InlineComment, plugins.Count > 0 ? null : closing);
    }

    // The one option that may be repeated: mtpolicyd's own page shows it so, though its reader refuses it.
    private void AddRegex(ConfOption option, List<ConfigMember> members)
    {
        var index = members.FindIndex(member => member.Key == option.Name);
        if (index < 0)
        {
            members.Add(Member(option));
            return;
        }

        var earlier = members[index].Value;
        var item = Member(option).Value;
        ConfigNode[] items = earlier is ConfigArray array
            ? [.. array.Items, item]
            : [earlier.WithComments(null, earlier.InlineComment), item];
        members[index] = members[index] with { Value = new ConfigArray(items, earlier.Position, earlier.Comments) };
    }

    private bool IsRepeated(ConfOption option, ConfSection section, Dictionary<string, ConfItem> seen)
    {
        if (seen.TryAdd(option.Name, option))
        {
            return false;
        }

        var where = section.Argument is null && section.Name.Length == 0 ? "" : $" in {section.Head}";
        diagnostics.Error(
            option.Position, $"{option.Name} is given twice{where}: first at {seen[option.Name].Position.RelativeTo(option.Position)}");
        return true;
    }

    private ConfigMember Member(ConfOption option) =>
        new(option.Name, option.Position, option.Value.WithComments(Comments(option.Comments), option.InlineComment));

    // A comment before an option that is left out stays, before what comes next.
    private IReadOnlyList<string>? Comments(IReadOnlyList<string>? own)
    {
        if (_orphanedComments is null)
        {
            return own;
        }

        List<string> all = [.. _orphanedComments, .. own ?? []];
        _orphanedComments = null;
        return [.. all.Where((line, i) => line.Length > 0 || (i > 0 && all[i - 1].Length > 0))];
    }
}
