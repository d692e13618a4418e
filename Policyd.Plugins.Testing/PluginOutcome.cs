using Policyd.Plugins.Api;
using Policyd.Plugins.Sessions;
using Policyd.Protocol;

namespace Policyd.Plugins.Testing;

/// <summary>What a plugin has made of a request.</summary>
/// <param name="Result">Its result.</param>
/// <param name="Notes">What it has noted, in its order.</param>
/// <param name="Session">The session as it left it.</param>
public sealed record PluginOutcome(PluginResult Result, IReadOnlyList<PluginNote> Notes, Session Session)
{
    /// <summary>The action of the result, the most restrictive one where there are several; null when there is none.</summary>
    public string? Action => Result.IsEmpty ? null : Result.Single ?? ActionPrecedence.Merge(Result.Actions);

    /// <summary>The side effects that a rehearsal has left out.</summary>
    public IEnumerable<string?> WouldHave => Notes.Where(static note => note.Name == "would have").Select(static note => note.Value);
}

/// <summary>Something that a plugin has noted.</summary>
/// <param name="Name">What it read.</param>
/// <param name="Value">What it was.</param>
/// <param name="ComparedWith">What it was compared with; null when with nothing.</param>
/// <param name="Result">What follows.</param>
public sealed record PluginNote(string Name, string? Value, string? ComparedWith, string? Result);
