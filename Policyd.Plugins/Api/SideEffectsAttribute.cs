namespace Policyd.Plugins.Api;

/// <summary>
/// Declares what a module does to others besides answering: a ban, a ticket, a count, a question to another server. A module that declares
/// this, also that it does nothing (no text), promises to ask <see cref="PluginContext.IsRehearsal"/> before each of these, and then to
/// leave it out. One that declares nothing is never run in a rehearsal. What it writes to the session is no side effect: a rehearsal has
/// a session of its own.
/// </summary>
/// <param name="effects">Each effect in a few words, such as <c>bans the client</c>; none: the module only reads.</param>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class SideEffectsAttribute(params string[] effects) : Attribute
{
    /// <summary>Each effect in a few words; empty when the module only reads.</summary>
    public IReadOnlyList<string> Effects { get; } = effects;
}

/// <summary>
/// Beside <see cref="SideEffectsAttribute"/>: all side effects of the module go through the server's counters, expiring stores, mail
/// verifiers and fail2ban, which its setup gives. A replay has its own of these, and so runs the module as it is. A module that also acts
/// in another way, such as over HTTP or by a change in SQL, must not declare this: a replay would do it for every old mail.
/// </summary>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class ActsThroughServerAttribute : Attribute;

/// <summary>
/// The module asks a server over a connection of its own, and not through the server's lookups (DNS, SQL, LDAP). <c>policyd replay
/// --offline</c>, which asks nobody, does not run it.
/// </summary>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class AsksByItselfAttribute : Attribute;
