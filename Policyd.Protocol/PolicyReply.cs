using System.Text;

namespace Policyd.Protocol;

/// <summary>
/// The answer on the wire: <c>action=…</c>, LF LF. Exactly one action: Postfix obeys the first and never sees the others.
/// </summary>
public static class PolicyReply
{
    // Nearly all answers of a server are a few short texts. A slot is replaced by the next text that falls into it, so what strangers can
    // make it hold is bounded.
    private const int MostKeptCharacters = 64;
    private static readonly Kept?[] s_kept = new Kept?[64];

    private static ReadOnlySpan<byte> Prefix => "action="u8;

    private static ReadOnlySpan<byte> End => "\n\n"u8;

    /// <summary>The bytes that say an action. The text must fit one line: see <see cref="ActionGrammar.Sanitize"/>.</summary>
    /// <exception cref="ArgumentException">The action is empty (Postfix takes that as a permit) or holds a line end or NUL.</exception>
    public static byte[] Encode(string action)
    {
        ArgumentException.ThrowIfNullOrEmpty(action);
        if (action.AsSpan().IndexOfAny('\n', '\r', '\0') >= 0)
        {
            throw new ArgumentException("an action must be one line", nameof(action));
        }

        var bytes = new byte[Prefix.Length + Encoding.UTF8.GetByteCount(action) + End.Length];
        Prefix.CopyTo(bytes);
        var written = Encoding.UTF8.GetBytes(action, bytes.AsSpan(Prefix.Length));
        End.CopyTo(bytes.AsSpan(Prefix.Length + written));
        return bytes;
    }

    /// <summary>The same for a text that is probably answered again: the bytes are shared, and must not be changed.</summary>
    /// <exception cref="ArgumentException">As for <see cref="Encode"/>.</exception>
    internal static byte[] EncodeOnce(string action)
    {
        ArgumentException.ThrowIfNullOrEmpty(action);
        if (action.Length > MostKeptCharacters)
        {
            return Encode(action);
        }

        ref var slot = ref s_kept[(uint)string.GetHashCode(action, StringComparison.Ordinal) % (uint)s_kept.Length];
        var kept = Volatile.Read(ref slot);
        if (kept is null || kept.Action != action)
        {
            kept = new Kept(action, Encode(action));
            Volatile.Write(ref slot, kept);
        }

        return kept.Bytes;
    }

    /// <summary>
    /// Reads an answer as Postfix does: the first attribute named exactly <c>action</c> counts, others are passed over. False while no
    /// empty line has come. <paramref name="action"/> is null when the answer names none.
    /// </summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out string? action, out int consumed)
    {
        action = null;
        consumed = 0;
        if (bytes is [(byte)'\n', ..])
        {
            consumed = 1;   // an empty line at once: an answer that says nothing
            return true;
        }

        var end = bytes.IndexOf(End);
        if (end < 0)
        {
            return false;
        }

        consumed = end + End.Length;
        var lines = new RequestLines(bytes[..consumed]);
        while (lines.MoveNext())
        {
            if (lines.Line.StartsWith(Prefix))
            {
                action = Encoding.UTF8.GetString(bytes[(lines.Start + Prefix.Length)..(lines.Start + lines.Length)]);
                break;
            }
        }

        return true;
    }

    private sealed record Kept(string Action, byte[] Bytes);
}
