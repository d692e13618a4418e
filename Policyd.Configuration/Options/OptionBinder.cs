using Policyd.Configuration.Tree;

namespace Policyd.Configuration.Options;

/// <summary>What surrounds a binding.</summary>
public sealed record BindingOptions
{
    /// <summary>Nothing surrounds it.</summary>
    public static BindingOptions None { get; } = new();

    /// <summary>Keys that somebody else reads from the same section (module, name, plugins): they are no unknown options.</summary>
    public IReadOnlyCollection<string> ConsumedElsewhere { get; init; } = [];

    /// <summary>What the section is, for messages about it: <c>plugin QuotaIP (Quota)</c>.</summary>
    public string? Subject { get; init; }
}

/// <summary>
/// Sets the options of an object (its public settable properties) from a section of a configuration, and reports everything that does not
/// fit: unknown keys with a suggestion, values of a wrong type, required options that are missing. A value of <c>null</c> is as none.
/// </summary>
/// <remarks>
/// Attributes of <c>System.ComponentModel.DataAnnotations</c> on a property (<c>[Range]</c>) are obeyed, and an
/// <see cref="ArgumentException"/> from a setter becomes a message at the value's place.
/// </remarks>
public static class OptionBinder
{
    /// <summary>Binds a section.</summary>
    /// <param name="target">The object whose properties are set.</param>
    /// <param name="source">The section.</param>
    /// <param name="diagnostics">Where errors go.</param>
    /// <param name="options">What surrounds it.</param>
    /// <returns>Whether the section fits.</returns>
    public static bool Bind(object target, ConfigObject source, DiagnosticBag diagnostics, BindingOptions? options = null)
    {
        options ??= BindingOptions.None;
        var map = OptionMap.Of(target.GetType());
        var fits = RejectUnknown(map, source, diagnostics, options);
        foreach (var property in map.Properties)
        {
            fits &= BindProperty(property, target, source, diagnostics, options);
        }

        return fits;
    }

    /// <summary>Makes an object and binds a section to it; its <c>required</c> properties are checked by the binder.</summary>
    /// <typeparam name="T">A class with a public parameterless constructor.</typeparam>
    /// <param name="source">The section.</param>
    /// <param name="diagnostics">Where errors go.</param>
    /// <param name="options">What surrounds it.</param>
    public static T Create<T>(ConfigObject source, DiagnosticBag diagnostics, BindingOptions? options = null) where T : class
    {
        var target = Activator.CreateInstance<T>();
        Bind(target, source, diagnostics, options);
        return target;
    }

    private static bool RejectUnknown(OptionMap map, ConfigObject source, DiagnosticBag diagnostics, BindingOptions options)
    {
        var fits = true;
        ConfigMember? secret = null;
        foreach (var member in source.Members)
        {
            if (map.Accepted.Contains(member.Key) || options.ConsumedElsewhere.Contains(member.Key))
            {
                secret = map.IsSecret(member.Key) ? member : secret;
                continue;
            }

            fits = false;
            if (secret is not null && IsBehind(member.KeyPosition, secret.KeyPosition))
            {
                diagnostics.Error(
                    member.KeyPosition,
                    $"unknown option after \"{secret.Key}\" on the same line; it may be part of that secret value, so it is not shown; put "
                        + $"the value in \"double quotes\"");
                continue;
            }

            var known = map.Names.Concat(options.ConsumedElsewhere).Where(name => !source.Has(name));
            var of = options.Subject is null ? "" : $" of {options.Subject}";
            diagnostics.Error(
                member.KeyPosition, $"unknown option {Printable.Quote(member.Key)}{of}{OptionNames.DidYouMean(member.Key, known)}");
        }

        return fits;
    }

    // Without quotes a comma ends a value, and what follows it is taken for the next option's name.
    private static bool IsBehind(SourcePosition place, SourcePosition secret) =>
        place.File == secret.File && place.Line == secret.Line && place.Column > secret.Column;

    private static bool BindProperty(
        OptionProperty property, object target, ConfigObject source, DiagnosticBag diagnostics, BindingOptions options)
    {
        var given = Given(property.Keys[0].Name, source)
            ?? property.Aliases.Select(alias => Given(alias, source)).FirstOrDefault(node => node is not null);
        if (given is null && property.IsRequired)
        {
            diagnostics.Error(
                source.Position,
                $"{options.Subject ?? "this section"} needs the option "
                    + $"\"{property.Name}\"{(property.Description.Length > 0 ? $" ({property.Description.TrimEnd('.')})" : "")}");
            return false;
        }

        return property.Secret is null or { MessagesAreSafe: true }
            ? BindSafely(property, given, target, source, diagnostics)
            : BindSecret(property, given, target, source, diagnostics);
    }

    // An author's type of option, his validation attribute or his getter may throw anything: it is an error of this option, at its place.
    private static bool BindSafely(
        OptionProperty property, ConfigNode? given, object target, ConfigObject source, DiagnosticBag diagnostics)
    {
        try
        {
            return BindGiven(property, given, target, source, diagnostics);
        }
        catch (Exception e)
        {
            diagnostics.Error((given ?? source).Position, $"{property.Name}: {ConfigurationFault.Of(e)}");
            return false;
        }
    }

    // A message about a value often quotes it, and so may the exception of a setter or an author's own rule: of a secret only the place is
    // told.
    private static bool BindSecret(
        OptionProperty property, ConfigNode? given, object target, ConfigObject source, DiagnosticBag diagnostics)
    {
        var own = new DiagnosticBag();
        var fits = BindSafely(property, given, target, source, own);
        var expected = property.Converter is { } converter
            ? $"expected {converter.TypeName}, found something else"
            : "the value is not valid";
        foreach (var place in own.All.Select(found => found.Position).Distinct())
        {
            diagnostics.Error(place, $"{property.Name}: {expected} (it is secret and not shown)");
        }

        return fits;
    }

    private static bool BindGiven(OptionProperty property, ConfigNode? given, object target, ConfigObject source, DiagnosticBag diagnostics)
    {
        if (property.MultiKey is { } multiKey)
        {
            return !property.Keys.Any(key => Given(key.Name, source) is not null)
                || BindMultiKey(property, multiKey, target, source, diagnostics);
        }

        if (given is null)
        {
            return true;
        }

        if (property.Converter is { } converter)
        {
            return converter.TryConvert(
                given, new OptionConversion(property.Name, diagnostics, property.Separators, property.Secret is not null), out var value)
                && property.Set(target, value, given.Position, diagnostics);
        }

        diagnostics.Error(
            given.Position,
            $"{property.Name}: {property.ClrName} has the type {property.ClrType}, which an option cannot have; "
                + $"this is an error in the plugin");
        return false;
    }

    private static bool BindMultiKey(
        OptionProperty property, MultiKeyAdapter multiKey, object target, ConfigObject source, DiagnosticBag diagnostics)
    {
        var reader = new OptionReader(property.Name, source, diagnostics, property.Separators);
        var value = multiKey.Bind(reader, property.Get(target));
        return !reader.Failed && property.Set(target, value, source.PositionOf(property.Keys[0].Name), diagnostics);
    }

    private static ConfigNode? Given(string key, ConfigObject source) =>
        source[key] is { } node and not ConfigScalar { IsNull: true } ? node : null;
}
