namespace Policyd.Plugins.Api;

/// <summary>
/// Says that an option's value (a text, a list of texts, or a <see cref="UserOption{T}"/> of text) names attributes of the request. A name
/// that Postfix does not have is then a warning at its place, with the one that is meant: such an attribute is never there.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class AttributeNameAttribute : Attribute;
