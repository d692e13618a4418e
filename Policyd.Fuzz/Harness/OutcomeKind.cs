using System.Text;

namespace Policyd.Fuzz.Harness;

/// <summary>Makes messages that differ only in what they quote, or in a number, the same kind.</summary>
internal static class OutcomeKind
{
    private const int Longest = 200;

    public static string Of(string message)
    {
        var kind = new StringBuilder();
        var isQuoted = false;
        foreach (var c in message.AsSpan(0, Math.Min(message.Length, Longest)))
        {
            isQuoted ^= c == '"';
            if (!isQuoted && !char.IsAsciiDigit(c))
            {
                kind.Append(c);
            }
        }

        return kind.ToString();
    }
}
