namespace Policyd;

/// <summary>
/// Finds what somebody who mistyped a word most likely meant. Compiled into Policyd.Protocol and Policyd.Configuration, which use no other
/// project.
/// </summary>
internal static class EditDistance
{
    /// <summary>The candidate closest to <paramref name="word"/>; null when none is close enough to be a slip of the hand.</summary>
    public static string? Closest(string word, IEnumerable<string> candidates)
    {
        // Short words lie close together: with two slips "wand" would be "warn", and no operator could name a class so.
        var allowed = word.Length < 6 ? 1 : 2;
        return candidates
            // the rest costs too much to measure: a word may come from a stranger
            .Where(candidate => Math.Abs(candidate.Length - word.Length) <= allowed)
            .Select(candidate => (Candidate: candidate, Distance: Between(word, candidate)))
            .Where(one => one.Distance > 0 && one.Distance <= allowed)
            .OrderBy(one => one.Distance)
            .Select(one => one.Candidate)
            .FirstOrDefault();
    }

    /// <summary>How many letters must be put in, taken out, changed or swapped with their neighbour (optimal string alignment).</summary>
    public static int Between(string first, string second)
    {
        var length = second.Length + 1;
        var (before, previous, current) = (new int[length], new int[length], new int[length]);
        for (var column = 0; column < length; column++)
        {
            previous[column] = column;
        }

        for (var row = 1; row <= first.Length; row++)
        {
            current[0] = row;
            for (var column = 1; column < length; column++)
            {
                var change = previous[column - 1] + (first[row - 1] == second[column - 1] ? 0 : 1);
                current[column] = Math.Min(change, 1 + Math.Min(previous[column], current[column - 1]));
                if (row > 1 && column > 1 && first[row - 1] == second[column - 2] && first[row - 2] == second[column - 1])
                {
                    current[column] = Math.Min(current[column], before[column - 2] + 1);
                }
            }

            (before, previous, current) = (previous, current, before);
        }

        return previous[^1];
    }
}
