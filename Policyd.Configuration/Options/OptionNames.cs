using System.Text;

namespace Policyd.Configuration.Options;

/// <summary>Names of options: from properties to the file, and from a wrong one to the one that was meant.</summary>
public static class OptionNames
{
    /// <summary>
    /// A property's or enum member's name in snake_case: <c>RejectMessage</c> is <c>reject_message</c>, <c>AWL</c> is <c>awl</c>.
    /// </summary>
    /// <param name="name">The name in C#.</param>
    public static string Snake(string name)
    {
        var snake = new StringBuilder(name.Length + 4);
        for (var i = 0; i < name.Length; i++)
        {
            var startsWord = char.IsUpper(name[i]) && i > 0
                && (!char.IsUpper(name[i - 1]) || (i + 1 < name.Length && char.IsLower(name[i + 1])));
            if (startsWord && snake[^1] != '_')
            {
                snake.Append('_');
            }

            snake.Append(char.ToLowerInvariant(name[i]));
        }

        return snake.ToString();
    }

    /// <summary>
    /// The known name that is closest to a wrong one; null when none is close enough to be meant. Names that are too long to be close cost
    /// nothing.
    /// </summary>
    /// <param name="wrong">The name that was written.</param>
    /// <param name="known">The names that there are.</param>
    public static string? Closest(string wrong, IEnumerable<string> known)
    {
        string? best = null;
        var bestDistance = Math.Max(1, Math.Min(wrong.Length, 64) / 3) + 1;
        foreach (var name in known)
        {
            if (Math.Abs(name.Length - wrong.Length) >= bestDistance)
            {
                continue;
            }

            var distance = EditDistance.Between(wrong.ToLowerInvariant(), name.ToLowerInvariant());
            if (distance < bestDistance)
            {
                (best, bestDistance) = (name, distance);
            }
        }

        return best;
    }

    /// <summary>The end of a message about a wrong name: <c>; did you mean "threshold"?</c>, or nothing.</summary>
    /// <param name="wrong">The name that was written.</param>
    /// <param name="known">The names that there are.</param>
    public static string DidYouMean(string wrong, IEnumerable<string> known) =>
        Closest(wrong, known) is { } name ? $"; did you mean \"{name}\"?" : "";
}
