using Microsoft.Extensions.Logging;
using Policyd.Backends.Sql;
using Policyd.Configuration.Options;
using Policyd.Configuration.Tree;
using Policyd.Engine.Connections;
using Policyd.Engine.Model;
using Policyd.Engine.Reloading;
using Policyd.Plugins.Api;
using Policyd.Plugins.Connections;

namespace Policyd.Engine.Building;

// From the section "connections" to connections that are not open yet.
internal sealed class ConnectionBuilder(BuildContext build)
{
    private static readonly string[] s_own = ["module", "name"];
    private readonly ILogger _logger = build.Environment.LoggerFactory.CreateLogger(typeof(ConnectionBuilder).Namespace!);

    public (IReadOnlyDictionary<string, ConnectionDefinition> Definitions, ServerConnections Connections) Build(ConfigObject root)
    {
        var definitions = new Dictionary<string, ConnectionDefinition>(StringComparer.Ordinal);
        var former = build.Environment.Former;
        var connections = new ServerConnections(former?.ServerConnections);
        if (root["connections"] is { } given and not ConfigObject and not ConfigScalar { IsNull: true })
        {
            build.Diagnostics.Error(
                given.Position, $"connections: expected an object {{ NAME {{ module, … }} }}, found {given.Describe()}");
        }

        foreach (var member in (root["connections"] as ConfigObject)?.Members ?? [])
        {
            var known = string.Join(", ", build.Modules.Connections.Names);
            if (member.Value is not ConfigObject section || (section["module"] as ConfigScalar)?.Text is not { } module)
            {
                build.Diagnostics.Error(member.Value.Position, $"connection {member.Key} needs the option \"module\": {known}");
            }
            else if (build.Modules.Connections.NewOptions(module) is not { } options)
            {
                build.Diagnostics.Error(
                    section.PositionOf("module"), $"connection {member.Key}: unknown module \"{module}\"; known modules: {known}");
            }
            else
            {
                definitions[member.Key] = new ConnectionDefinition(member.Key, module, section, build.Modules.Connections.SchemaOf(module));
                try
                {
                    // With another schema the module's assembly was loaded anew.
                    if (former?.Connections.GetValueOrDefault(member.Key) is { } before && SectionText.AreSame(before.Section, section)
                        && ReferenceEquals(before.Schema, definitions[member.Key].Schema))
                    {
                        connections.Keep(member.Key, former.ServerConnections);
                        continue;
                    }

                    Add(connections, member.Key, section, options);
                }
                catch (Exception e)
                {
                    build.Diagnostics.Error(section.Position, $"connection {member.Key}: it cannot be created: {ConfigurationFault.Of(e)}");
                }
            }
        }

        return (definitions, connections);
    }

    private void Add(ServerConnections connections, string name, ConfigObject section, object options)
    {
        var subject = $"connection {name}";
        if (!OptionBinder.Bind(options, section, build.Diagnostics, new BindingOptions { Subject = subject, ConsumedElsewhere = s_own }))
        {
            return;
        }

        switch (options)
        {
            case SqlConnectionOptions sql when sql.Check() is { } problem:
                build.Diagnostics.Error(section.PositionOf("dsn"), $"{subject}: dsn: {problem}");
                break;
            case SqlConnectionOptions sql:
                connections.Sql.Add(name, sql, build.Environment.OnlyReads);
                break;
            case IConnectionModule other when other.Check() is { } problem:
                build.Diagnostics.Error(PlaceOf(section, problem), $"{subject}: {problem}");
                break;
            case IConnectionModule other:
                connections.Add(other, new ConnectionSetup(name, build.Environment.SourceClock, _logger));
                break;
        }
    }

    // A message that begins with an option's name is told where that option is.
    private static SourcePosition PlaceOf(ConfigObject section, string problem) =>
        section.PositionOf(problem.Split([':', ' '], 2)[0]);

    /// <summary>
    /// Makes the connections' counter stores: what a driver refuses there is an error of the connection, not of the start.
    /// </summary>
    public void MakeStores(
        ServerConnections connections, IReadOnlyDictionary<string, ConnectionDefinition> definitions, IEnumerable<string> names)
    {
        foreach (var name in names.Distinct().Where(connections.Sql.Contains))
        {
            try
            {
                connections.Sql.CounterStore(name);
            }
            catch (Exception e)
            {
                build.Diagnostics.Error(
                    definitions[name].Section.Position,
                    $"connection {name}: its counter tables cannot be used: {ConfigurationFault.Of(e)}");
            }
        }
    }
}
