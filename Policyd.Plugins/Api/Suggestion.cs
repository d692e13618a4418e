namespace Policyd.Plugins.Api;

/// <summary>What somebody who mistyped a name most likely meant: for the "did you mean" of an option's error.</summary>
public static class Suggestion
{
    /// <summary>The known name that is closest to a word; null when none is close enough to be a slip of the hand.</summary>
    /// <param name="word">The word.</param>
    /// <param name="known">The names that there are.</param>
    public static string? For(string word, IEnumerable<string> known)
    {
        ArgumentNullException.ThrowIfNull(word);
        ArgumentNullException.ThrowIfNull(known);
        return EditDistance.Closest(word, known);
    }
}
