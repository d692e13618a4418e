using System.Reflection;
using Policyd.Configuration.Options;
using Policyd.Configuration.Tree;
using Policyd.Engine.Model;
using Policyd.Modules;
using Policyd.Plugins.Api;
using Policyd.Protocol;

namespace Policyd.Engine.Advice;

// Options that name an attribute which no request has: the plugin then never finds a value. A warning, since another client than Postfix
// may send attributes of its own.
internal static class AttributeNames
{
    private static readonly string[] s_known =
        [
            .. Enumerable.Range(0, PolicyAttributes.Count).Select(index => PolicyAttributes.NameOf((PolicyAttribute)index)),
            ProxyRequest.HopsAttribute
        ];

    public static void Check(IEnumerable<PlacedPlugin> plugins, DiagnosticBag diagnostics)
    {
        foreach (var placed in plugins)
        {
            foreach (var property in placed.Plugin.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance))
            {
                var option = property.GetCustomAttribute<OptionNameAttribute>()?.Name ?? OptionNames.Snake(property.Name);
                foreach (var (name, place) in NamesOf(placed, property, option))
                {
                    if (!s_known.Contains(name))
                    {
                        var close = name.Length > 3
                            ? Array.Find(s_known, one => one.StartsWith(name, StringComparison.OrdinalIgnoreCase))
                            : null;
                        close ??= OptionNames.Closest(name, s_known);
                        var hint = close is null ? "" : $"; did you mean \"{close}\"?";
                        diagnostics.Warning(
                            place, $"plugin {placed.Name}: {option}: Postfix sends no attribute \"{name}\", so it is never set{hint}");
                    }
                }
            }
        }
    }

    private static IEnumerable<(string Name, SourcePosition Place)> NamesOf(PlacedPlugin placed, PropertyInfo property, string option)
    {
        var place = placed.Section.PositionOf(option);
        if (property.PropertyType == typeof(Variable))
        {
            return property.GetValue(placed.Plugin) is Variable { IsSession: false, Name: { Length: > 0 } name } ? [(name, place)] : [];
        }

        // With a key of its own a counter's field only names the table.
        if (!property.IsDefined(typeof(AttributeNameAttribute))
            || placed.Plugin is AccountingPlugin { Key: not null } or QuotaPlugin { Key: not null })
        {
            return [];
        }

        return property.GetValue(placed.Plugin) switch
        {
            string one => [(one, place)],
            UserOption<string> { Default: { } one } => [(one, place)],
            IReadOnlyList<string> many => many.Select((one, index) =>
                (one, placed.Section[option] is ConfigArray array && index < array.Items.Count ? array.Items[index].Position : place)),
            _ => [],
        };
    }
}
