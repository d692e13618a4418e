using Policyd.Configuration.Hocon;
using Policyd.Configuration.Options;
using Policyd.Configuration.Tree;
using Policyd.Engine.Cron;
using Policyd.Engine.Model;
using Policyd.Engine.Sessions;
using Policyd.Plugins.Api;

namespace Policyd.Server.Loading;

/// <summary>A line of the options in effect.</summary>
/// <param name="Depth">How many headings it stands under.</param>
/// <param name="Text">The line, secrets hidden.</param>
/// <param name="Origin">Where the value is set, or <c>default</c>; null for a heading that is nowhere.</param>
internal sealed record EffectiveOption(int Depth, string Text, string? Origin)
{
    /// <summary>The option, or the heading without its number in a list.</summary>
    public required string Name { get; init; }

    /// <summary>The value, a secret unmasked: for comparisons alone. Null for a heading.</summary>
    public string? Value { get; init; }
}

/// <summary>The virtual hosts and options of a model, defaults included, line by line.</summary>
internal sealed class EffectiveOptions
{
    private readonly List<EffectiveOption> _lines = [];
    private readonly SourcePosition _file;

    private EffectiveOptions(SourcePosition file) => _file = file;

    /// <summary>The lines of a model.</summary>
    /// <param name="model">The model.</param>
    public static IReadOnlyList<EffectiveOption> Of(PolicyServerModel model)
    {
        var options = new EffectiveOptions(model.Root.Position);
        options.Add(model, model.Section);
        return options._lines;
    }

    private void Add(PolicyServerModel model, ConfigObject root)
    {
        Heading(0, "policyd");
        Options(1, model.Options, root);
        Cron(model.Cron, root["cron"] as ConfigObject);
        foreach (var connection in model.Connections.Values)
        {
            Heading(0, $"connection {connection.Name}");
            Members(1, connection.Section, connection.Schema);
            Unset(1, connection.Section, connection.Schema);
        }

        Heading(0, "session_cache");
        SessionCache(root["session_cache"] as ConfigObject);
        var hosts = (root["virtual_hosts"] as ConfigArray)?.Items ?? [];
        for (var index = 0; index < model.VirtualHosts.Count; index++)
        {
            var host = model.VirtualHosts[index];
            var section = (ConfigObject)hosts[index];
            Heading(
                0,
                $"virtual host {host.Name}{(section["port"] is { } port ? $", port {Text(port)}" : "")}",
                Place(section.Position),
                $"virtual host {host.Name}");
            Chain(1, host.Chain.Plugins, section);
        }
    }

    // The tasks have names of the operator's own; one that is off is no task of the model.
    private void Cron(CronOptions cron, ConfigObject? section)
    {
        Heading(1, "cron", section is null ? null : Place(section.Position));
        Options(2, cron, section ?? ConfigObject.Empty(_file));
        var given = section?["tasks"] as ConfigObject;
        Heading(2, "tasks", given is null ? null : Place(given.Position));
        foreach (var task in cron.Tasks)
        {
            Option(3, task.Name, task.Expression, task.Expression, given?[task.Name] is { } node ? Place(node.Position) : "default");
        }

        foreach (var member in given?.Members ?? [])
        {
            if (cron.Tasks.All(task => task.Name != member.Key))
            {
                Option(3, member.Key, "off", "off", Place(member.Value.Position));
            }
        }
    }

    private void SessionCache(ConfigObject? section)
    {
        var empty = ConfigObject.Empty(_file);
        if ((section?["module"] as ConfigScalar)?.Text is { } module && !module.Equals("Memory", StringComparison.OrdinalIgnoreCase))
        {
            var schema = OptionSchema.Of(typeof(CacheSessionOptions));
            Members(1, section!, schema);
            if (!module.Equals("None", StringComparison.OrdinalIgnoreCase) && !section!.Has("expire")
                && schema.Find("expire") is { } expire)
            {
                // The others are mtpolicyd's, and have no effect.
                Option(1, expire.Name, expire.Shown(expire.Default!), expire.Default!, "default");
            }

            return;
        }

        Option(1, "module", "Memory", "Memory", section?["module"] is { } given ? Place(given.Position) : "default");
        var options = OptionBinder.Create<MemorySessionOptions>(
            section ?? empty, new DiagnosticBag(), new BindingOptions { ConsumedElsewhere = ["module"] });
        Options(1, options, section ?? empty);
    }

    private void Chain(int depth, IReadOnlyList<Plugin> plugins, ConfigObject parent)
    {
        var sections = (parent["plugins"] as ConfigArray)?.Items ?? [];
        for (var index = 0; index < plugins.Count; index++)
        {
            var (plugin, section) = (plugins[index], (ConfigObject)sections[index]);
            var name = $"{plugin.Name} ({Plugin.ModuleNameOf(plugin.GetType())})";
            Heading(depth, $"{index + 1}. {name}", Place(section.Position), name);
            Options(depth + 1, plugin, section);
            if (plugin is INestedChain { Plugins: { } nested })
            {
                Chain(depth + 1, nested.Plugins, section);
            }
        }
    }

    private void Options(int depth, object target, ConfigObject section)
    {
        var schema = OptionSchema.Of(target.GetType());
        foreach (var option in schema.Options)
        {
            if (section[option.Name] is ConfigObject or ConfigArray && option.Nested is not null)
            {
                Member(depth, option.Name, section[option.Name]!, option, section[option.Name]!.Position);
                continue;
            }

            var value = schema.ValueOf(target, option.Name);
            var given = section[option.Name];
            if (value is null && given is null)
            {
                continue; // not set, and nothing stands in for it
            }

            var effective = value ?? Text(given!);
            Option(
                depth,
                option.Name,
                option.Shown(effective),
                effective,
                given is null ? Unnamed(option, value, section) : Place(given.Position));
        }
    }

    // An option set by another of its names is not found under its first one, yet its value is no default.
    private static string Unnamed(OptionDescription option, string? value, ConfigObject section) =>
        value == option.Default ? "default" : Place(section.Position);

    private void Members(int depth, ConfigObject section, OptionSchema? schema)
    {
        foreach (var member in section.Members)
        {
            Member(depth, member.Key, member.Value, schema?.Find(member.Key), member.Value.Position);
        }
    }

    // A value as it was written. What is secret within objects, and within objects of a list, is found by their own declarations.
    private void Member(int depth, string key, ConfigNode node, OptionDescription? option, SourcePosition place)
    {
        var inside = option?.Secret is not null ? null : node switch
        {
            ConfigObject section => section.Members.Select(member => (member.Key, member.Value)),
            ConfigArray array when array.Items.Any(item => item is not ConfigScalar) =>
                array.Items.Select((item, index) => ($"{index + 1}.", item)),
            _ => null,
        };
        if (inside is null)
        {
            var value = Text(node);
            Option(depth, key, option?.Shown(value) ?? SecretOptionAttribute.HideUndeclared(key, value), value, Place(place));
            return;
        }

        Heading(depth, key, Place(place));
        var schema = option?.Nested;
        foreach (var (name, value) in inside)
        {
            if (value is ConfigObject each && schema is not null && schema.Type != option!.Type)
            {
                Heading(depth + 1, name, Place(each.Position));
                Members(depth + 2, each, schema);
            }
            else
            {
                Member(depth + 1, name, value, schema?.Find(name), value.Position);
            }
        }

        if (node is ConfigObject given && schema is not null && schema.Type == option!.Type)
        {
            Unset(depth + 1, given, schema);
        }
    }

    // Also of a section that is given in part every option has a value.
    private void Unset(int depth, ConfigObject section, OptionSchema? schema)
    {
        var names = section.Members.Select(member => schema?.Find(member.Key)?.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var unset in schema?.Options.Where(unset => unset.Default is not null && !names.Contains(unset.Name)) ?? [])
        {
            Option(depth, unset.Name, unset.Shown(unset.Default!), unset.Default!, "default");
        }
    }

    private void Heading(int depth, string text, string? origin = null, string? name = null) =>
        _lines.Add(new EffectiveOption(depth, text, origin) { Name = name ?? text });

    private void Option(int depth, string name, string shown, string value, string origin) =>
        _lines.Add(new EffectiveOption(depth, $"{name} = {shown}", origin) { Name = name, Value = value });

    private static string Place(SourcePosition position) => position.ToString();

    private static string Text(ConfigNode node) => node switch
    {
        ConfigScalar scalar => scalar.Text,
        ConfigArray array => string.Join(", ", array.Items.Select(Text)),
        _ => HoconWriter.WriteJson(node),
    };
}
