using System.Collections.Concurrent;
using System.Reflection;

namespace Policyd.Configuration.Options;

/// <summary>The options of a type, by reflection, once a type.</summary>
internal sealed class OptionMap
{
    private static readonly ConcurrentDictionary<Type, OptionMap> s_known = new();

    private OptionMap(Type type)
    {
        Properties = [.. PropertiesOf(type).Select(property => new OptionProperty(property))];
        Names = [.. Properties.SelectMany(property => property.Keys).Select(key => key.Name)];
        Accepted = new HashSet<string>(Names.Concat(Properties.SelectMany(property => property.Aliases)), StringComparer.Ordinal);
    }

    public IReadOnlyList<OptionProperty> Properties { get; }

    /// <summary>All keys, without aliases.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>All keys and aliases.</summary>
    public IReadOnlySet<string> Accepted { get; }

    /// <summary>Whether a key or an alias is of a secret option.</summary>
    public bool IsSecret(string key) =>
        Properties.Any(
            property => property.Secret is not null && (property.Aliases.Contains(key) || property.Keys.Any(own => own.Name == key)));

    public static OptionMap Of(Type type) => s_known.GetOrAdd(type, static type => new OptionMap(type));

    // Base types first, each in the order of declaration; an overriding property stands in the place of the overridden one.
    private static List<PropertyInfo> PropertiesOf(Type type)
    {
        var excluded = type.GetInterfaces().SelectMany(i => i.GetProperties())
            .Where(property => property.IsDefined(typeof(NotAnOptionAttribute)))
            .Select(property => property.Name).ToHashSet();
        var line = new Stack<Type>();
        for (var t = type; t is not null && t != typeof(object); t = t.BaseType)
        {
            line.Push(t);
        }

        var properties = new List<PropertyInfo>();
        foreach (var property in line.SelectMany(
            t => t.GetProperties(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly).OrderBy(p => p.MetadataToken)))
        {
            var earlier = properties.FindIndex(other => other.Name == property.Name);
            if (earlier >= 0)
            {
                properties[earlier] = property;
            }
            else if (!excluded.Contains(property.Name))
            {
                properties.Add(property);
            }
        }

        properties.RemoveAll(property =>
            property.SetMethod is not { IsPublic: true }
                || property.GetIndexParameters().Length > 0
                || property.IsDefined(typeof(NotAnOptionAttribute), inherit: true));
        return properties;
    }
}
