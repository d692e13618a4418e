namespace Policyd.Plugins.Idna;

// Unicode's normalization form C (UAX 15). string.Normalize does not change a text when the system's ICU is not used.
internal static class CanonicalComposition
{
    private const int FirstSyllable = 0xac00;
    private const int FirstLead = 0x1100;
    private const int FirstVowel = 0x1161;
    private const int BeforeTrail = 0x11a7;
    private const int Leads = 19;
    private const int Vowels = 21;
    private const int Trails = 28;
    private const int Syllables = Leads * Vowels * Trails;

    /// <summary>The code points in form C.</summary>
    public static List<int> Compose(IReadOnlyList<int> points)
    {
        var decomposed = new List<int>(points.Count);
        foreach (var point in points)
        {
            Decompose(point, decomposed);
        }

        Order(decomposed);
        return Join(decomposed);
    }

    private static void Decompose(int point, List<int> to)
    {
        var syllable = point - FirstSyllable;
        if (syllable is >= 0 and < Syllables)
        {
            to.Add(FirstLead + (syllable / (Vowels * Trails)));
            to.Add(FirstVowel + (syllable % (Vowels * Trails) / Trails));
            if (syllable % Trails > 0)
            {
                to.Add(BeforeTrail + (syllable % Trails));
            }
        }
        else if (UnicodeTables.Instance.TryDecompose(point, out var parts))
        {
            Decompose(parts.First, to);
            if (parts.Second != 0)
            {
                Decompose(parts.Second, to);
            }
        }
        else
        {
            to.Add(point);
        }
    }

    // Marks behind a letter by their class; those of one class stay in their order.
    private static void Order(List<int> points)
    {
        for (var begin = 0; begin < points.Count; begin++)
        {
            if (UnicodeTables.Instance.ClassOf(points[begin]) == 0)
            {
                continue;
            }

            var end = begin + 1;
            while (end < points.Count && UnicodeTables.Instance.ClassOf(points[end]) != 0)
            {
                end++;
            }

            int[] ordered = [.. points[begin..end].OrderBy(UnicodeTables.Instance.ClassOf)];
            for (var index = 0; index < ordered.Length; index++)
            {
                points[begin + index] = ordered[index];
            }

            begin = end;
        }
    }

    private static List<int> Join(List<int> points)
    {
        var composed = new List<int>(points.Count);
        var starter = -1;
        var before = 0;
        foreach (var point in points)
        {
            var its = UnicodeTables.Instance.ClassOf(point);

            // A mark of the same or a higher class between the two keeps them apart.
            var isNext = starter >= 0 && (starter == composed.Count - 1 || (before != 0 && before < its));
            if (isNext && TryJoin(composed[starter], point, out var one))
            {
                composed[starter] = one;
                continue;
            }

            if (its == 0)
            {
                starter = composed.Count;
            }

            before = its;
            composed.Add(point);
        }

        return composed;
    }

    private static bool TryJoin(int first, int second, out int one)
    {
        var (lead, vowel) = (first - FirstLead, second - FirstVowel);
        if (lead is >= 0 and < Leads && vowel is >= 0 and < Vowels)
        {
            one = FirstSyllable + (((lead * Vowels) + vowel) * Trails);
            return true;
        }

        var (syllable, trail) = (first - FirstSyllable, second - BeforeTrail);
        if (syllable is >= 0 and < Syllables && syllable % Trails == 0 && trail is > 0 and < Trails)
        {
            one = first + trail;
            return true;
        }

        return UnicodeTables.Instance.TryCompose(first, second, out one);
    }
}
