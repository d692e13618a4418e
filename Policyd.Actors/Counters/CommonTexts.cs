using System.Text;

namespace Policyd.Actors.Counters;

/// <summary>
/// Texts that come with nearly each operation of another node: connections, tables, calendar windows. Each is made once and not for each
/// message. There is room for some; one that has another's place takes it over.
/// </summary>
internal static class CommonTexts
{
    private const int LongestText = 64;
    private static readonly string?[] s_texts = new string?[64];

    public static string Of(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > LongestText)
        {
            return Encoding.UTF8.GetString(bytes);
        }

        var hash = (uint)bytes.Length;
        foreach (var one in bytes)
        {
            hash = (hash * 31) + one;
        }

        ref var place = ref s_texts[hash % (uint)s_texts.Length];
        return place is { } known && Ascii.Equals(bytes, known) ? known : place = Encoding.UTF8.GetString(bytes);
    }
}
