using System.Text;

namespace Policyd.Plugins.Counters;

/// <summary>
/// FNV-1a of texts, a character at a time: for numbers that outlive the process or that all nodes must agree in, which a string's own hash
/// is not fit for.
/// </summary>
internal static class Fnv1a
{
    /// <summary>The hash of nothing.</summary>
    public const uint Start = 2166136261;

    private const uint Prime = 16777619;

    /// <summary>The hash with one more text in it, and where that ends.</summary>
    public static uint Add(uint hash, string text)
    {
        foreach (var letter in text)
        {
            hash = (hash ^ letter) * Prime;
        }

        return (hash ^ '\n') * Prime;
    }

    /// <summary>The same of a text in UTF-8, which is made to characters only where it must be.</summary>
    public static uint Add(uint hash, ReadOnlySpan<byte> utf8)
    {
        if (!Ascii.IsValid(utf8))
        {
            return Add(hash, Encoding.UTF8.GetString(utf8));
        }

        foreach (var letter in utf8)
        {
            hash = (hash ^ letter) * Prime;
        }

        return (hash ^ '\n') * Prime;
    }
}
