namespace Policyd.Plugins.Api;

/// <summary>
/// Names the places of an option's text that the plugin fills (<see cref="ActionTemplate.Fill"/>): <c>%X%</c> is the place X, and without
/// a name it fills none. A text that looks like another place is then a warning, since Postfix would get it as it is written. The option is
/// an <see cref="ActionTemplate"/>, a <see cref="UserOption{T}"/> of one, or a text that becomes a part of one.
/// </summary>
/// <param name="names">The names without the percent signs.</param>
[AttributeUsage(AttributeTargets.Property)]
public sealed class PlacesAttribute(params string[] names) : Attribute
{
    /// <summary>The names without the percent signs.</summary>
    public IReadOnlyList<string> Names { get; } = names;
}
