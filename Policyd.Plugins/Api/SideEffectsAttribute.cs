namespace Policyd.Plugins.Api;

/// <summary>
/// Declares what a module does to others besides answering: a ban, a ticket, a count, a question to another server. A module that declares
/// this, also that it does nothing (no text), promises to ask <see cref="PluginContext.IsRehearsal"/> before each of these, and then to leave
/// it out. One that declares nothing is never run in a rehearsal. What it writes to the session is no side effect: a rehearsal has a
/// session of its own.
/// </summary>
/// <param name="effects">Each effect in a few words, such as <c>bans the client</c>; none: the module only reads.</param>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class SideEffectsAttribute(params string[] effects) : Attribute
{
    /// <summary>Each effect in a few words; empty when the module only reads.</summary>
    public IReadOnlyList<string> Effects { get; } = effects;
}
