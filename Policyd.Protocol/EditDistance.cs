namespace Policyd.Protocol;

/// <summary>Finds what somebody who mistyped a word most likely meant.</summary>
internal static class EditDistance
{
    /// <summary>The candidate closest to <paramref name="word"/>; null when none is close enough to be a slip of the hand.</summary>
    public static string? Closest(string word, IEnumerable<string> candidates)
    {
        var allowed = word.Length < 4 ? 1 : 2;
        return candidates
            .Select(candidate => (Candidate: candidate, Distance: Between(word, candidate)))
            .Where(one => one.Distance > 0 && one.Distance <= allowed)
            .OrderBy(one => one.Distance)
            .Select(one => one.Candidate)
            .FirstOrDefault();
    }

    /// <summary>How many letters must be put in, taken out or changed (Levenshtein).</summary>
    private static int Between(string first, string second)
    {
        var previous = Enumerable.Range(0, second.Length + 1).ToArray();
        for (var row = 1; row <= first.Length; row++)
        {
            var current = new int[second.Length + 1];
            current[0] = row;
            for (var column = 1; column <= second.Length; column++)
            {
                var change = previous[column - 1] + (first[row - 1] == second[column - 1] ? 0 : 1);
                current[column] = Math.Min(change, 1 + Math.Min(previous[column], current[column - 1]));
            }

            previous = current;
        }

        return previous[^1];
    }
}
