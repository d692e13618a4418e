// What the server would do with a configuration, defaults included: the answer to "which value counts, and where does it
// come from". Every line ends with its origin as a comment.

using Policyd.Configuration.Hocon;
using Policyd.Configuration.Options;
using Policyd.Configuration.Tree;
using Policyd.Engine.Model;
using Policyd.Engine.Sessions;
using Policyd.Plugins.Api;
using Policyd.Server.ExitCodes;

namespace Policyd.Server.Commands;

/// <summary><c>policyd dump</c> and <c>-d</c>: the virtual hosts and every effective option with its place, or "default".</summary>
internal sealed class DumpCommand
{
    private readonly TextWriter _output;
    private readonly SourcePosition _file;

    private DumpCommand(TextWriter output, SourcePosition file)
    {
        _output = output;
        _file = file;
    }

    public static int Run(string? given, TextWriter output, TextWriter error)
    {
        var configuration = LoadedConfiguration.Read(given);
        if (configuration.Build(error) is not { } model)
        {
            return ExitCode.Config;
        }

        output.WriteLine($"# {Logging.LogText.OneLine(configuration.Path)}");
        new DumpCommand(output, configuration.Document.Root.Position).Write(model, (ConfigObject)configuration.Document.Root["policyd"]!);
        return ExitCode.Ok;
    }

    private void Write(PolicyServerModel model, ConfigObject root)
    {
        Line(0, "policyd");
        Options(1, model.Options, root);
        foreach (var connection in model.Connections.Values)
        {
            Line(0, $"connection {connection.Name}");
            Members(1, connection.Section, connection.Schema);
        }

        Line(0, "session_cache");
        SessionCache(root["session_cache"] as ConfigObject);
        var hosts = (root["virtual_hosts"] as ConfigArray)?.Items ?? [];
        for (var index = 0; index < model.VirtualHosts.Count; index++)
        {
            var host = model.VirtualHosts[index];
            var section = (ConfigObject)hosts[index];
            Line(0, $"virtual host {host.Name}{(section["port"] is { } port ? $", port {Text(port)}" : "")}", Place(section.Position));
            Chain(1, host.Chain.Plugins, section);
        }
    }

    private void SessionCache(ConfigObject? section)
    {
        var empty = ConfigObject.Empty(_file);
        if ((section?["module"] as ConfigScalar)?.Text is { } module && !module.Equals("Memory", StringComparison.OrdinalIgnoreCase))
        {
            Members(1, section!, OptionSchema.Of(typeof(CacheSessionOptions)));
            return;
        }

        Line(1, "module = Memory", section?["module"] is { } given ? Place(given.Position) : "default");
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
            Line(depth, $"{index + 1}. {plugin.Name} ({Plugin.ModuleNameOf(plugin.GetType())})", Place(section.Position));
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

            Line(
                depth,
                $"{option.Name} = {option.Shown(value ?? Text(given!))}",
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
            Line(depth, $"{key} = {option?.Shown(Text(node)) ?? SecretOptionAttribute.HideUndeclared(key, Text(node))}", Place(place));
            return;
        }

        Line(depth, key, Place(place));
        var schema = option?.Nested;
        foreach (var (name, value) in inside)
        {
            if (value is ConfigObject each && schema is not null && schema.Type != option!.Type)
            {
                Line(depth + 1, name, Place(each.Position));
                Members(depth + 2, each, schema);
            }
            else
            {
                Member(depth + 1, name, value, schema?.Find(name), value.Position);
            }
        }
    }

    private void Line(int depth, string text, string? origin = null)
    {
        var line = new string(' ', 2 * depth) + Logging.LogText.OneLine(text);
        _output.WriteLine(origin is null ? line : $"{line,-56}  # {Logging.LogText.OneLine(origin)}");
    }

    private static string Place(SourcePosition position) => position.ToString();

    private static string Text(ConfigNode node) => node switch
    {
        ConfigScalar scalar => scalar.Text,
        ConfigArray array => string.Join(", ", array.Items.Select(Text)),
        _ => HoconWriter.WriteJson(node),
    };
}
