namespace Policyd.Plugins.Api;

/// <summary>
/// The module keeps nothing of a mail under its plugin's name. So several plugins of it in a virtual host may go without a name of their
/// own.
/// </summary>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class KeepsNothingAttribute : Attribute;

/// <summary>Plugins of the module that have the same name share what they keep of a mail on purpose.</summary>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class SharesByNameAttribute : Attribute;
