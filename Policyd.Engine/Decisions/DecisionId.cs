using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Policyd.Engine.Decisions;

/// <summary>
/// The name of a decision: 20 characters that a person can read out on the telephone (Crockford's base32, without i, l, o and u), and that
/// are safe in an SMTP reply. The first 44 bits are the time in milliseconds, so that names sort by time; the other 56 are random, so that
/// nobody guesses one and no two are the same.
/// </summary>
public static class DecisionId
{
    /// <summary>What stands in an action's text for the name.</summary>
    public const string Place = "%ID%";

    /// <summary>How many characters a name has.</summary>
    public const int Length = 20;

    private const string Alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
    private const int BitsOfCharacter = 5;
    private const int BitsOfTime = 44;
    private const int BytesOfChance = 7;

    /// <summary>Whether the name is to be put into a text.</summary>
    /// <param name="text">The text.</param>
    public static bool IsWantedIn(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.Contains(Place, StringComparison.Ordinal);
    }

    /// <summary>A new name.</summary>
    /// <param name="now">The time.</param>
    public static string New(DateTimeOffset now)
    {
        Span<byte> chance = stackalloc byte[sizeof(ulong)];
        chance.Clear();
        RandomNumberGenerator.Fill(chance[^BytesOfChance..]);
        var bits = ((UInt128)now.ToUnixTimeMilliseconds() << (8 * BytesOfChance)) | BinaryPrimitives.ReadUInt64BigEndian(chance);
        return string.Create(Length, bits & ((UInt128.One << (BitsOfTime + 8 * BytesOfChance)) - 1), static (text, bits) =>
        {
            for (var index = text.Length - 1; index >= 0; index--)
            {
                text[index] = Alphabet[(int)(bits & (UInt128)(Alphabet.Length - 1))];
                bits >>= BitsOfCharacter;
            }
        });
    }

    /// <summary>A name as somebody has typed it: in any case, with o for 0, and i or l for 1.</summary>
    /// <param name="typed">What was typed.</param>
    /// <returns>The name; null when it is none.</returns>
    public static string? Read(string typed)
    {
        ArgumentNullException.ThrowIfNull(typed);
        var id = typed.Trim().ToLowerInvariant().Replace('o', '0').Replace('i', '1').Replace('l', '1');
        return id.Length == Length && id.All(static c => Alphabet.Contains(c, StringComparison.Ordinal)) ? id : null;
    }
}
