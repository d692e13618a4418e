using System.Runtime.InteropServices;
using System.Text;

namespace Policyd.Plugins.Sessions;

/// <summary>
/// Text and session values as bytes, for a store in the memory of this process. Unlike JSON it keeps every text exactly, even one that is
/// cut within a pair of surrogates.
/// <code>
/// values = count, then for each value: text of the key, text of the value
/// text   = length * 4 + flags, then the characters
/// flags  = 1: two bytes a character, in the order of this machine; otherwise one byte (Latin-1)
///          2: the text is JSON
/// </code>
/// Numbers are written seven bits at a time, the lowest first; a set high bit says that more follow.
/// </summary>
internal static class SessionBinary
{
    // A number below 2^35 is at most five bytes.
    private const int MaxNumberBytes = 5;
    private const int Wide = 1;
    private const int Json = 2;
    private const int FlagBits = 2;

    /// <summary>The most bytes that a text takes.</summary>
    public static long MaxBytes(string text) => MaxNumberBytes + 2L * text.Length;

    /// <summary>The most bytes that values take.</summary>
    /// <param name="sessionBytes">Their <see cref="Session.Bytes"/>: two for each character, and for each value more than its two numbers
    /// take.</param>
    public static long MaxBytes(long sessionBytes) => MaxNumberBytes + sessionBytes;

    /// <summary>Writes a text and returns the number of bytes.</summary>
    public static int Write(string text, Span<byte> to) => Write(text, 0, to);

    /// <summary>Writes values and returns the number of bytes.</summary>
    public static int Write(in SessionEntries entries, Span<byte> to)
    {
        var length = WriteNumber((ulong)entries.Count, to);
        foreach (var (key, value) in entries)
        {
            length += Write(key, 0, to[length..]);
            length += Write(value.Text, value.IsJson ? Json : 0, to[length..]);
        }

        return length;
    }

    /// <summary>Reads what <see cref="Write(in SessionEntries, Span{byte})"/> has written.</summary>
    public static Session Read(ReadOnlySpan<byte> from)
    {
        var count = (int)ReadNumber(ref from);
        var session = new Session(count);
        for (; count > 0; count--)
        {
            var key = ReadText(ref from, out _);
            var text = ReadText(ref from, out var isJson);
            session.Put(key, new SessionValue(text, isJson));
        }

        return session;
    }

    private static int Write(string text, int flags, Span<byte> to)
    {
        var isWide = text.AsSpan().ContainsAnyExceptInRange('\0', '\u00ff');
        var length = WriteNumber(((ulong)text.Length << FlagBits) | (uint)flags | (isWide ? Wide : 0u), to);
        to = to[length..];
        if (isWide)
        {
            MemoryMarshal.AsBytes(text.AsSpan()).CopyTo(to);
            return length + 2 * text.Length;
        }

        return length + Encoding.Latin1.GetBytes(text, to);
    }

    private static string ReadText(ref ReadOnlySpan<byte> from, out bool isJson)
    {
        var header = ReadNumber(ref from);
        isJson = (header & Json) != 0;
        var isWide = (header & Wide) != 0;
        var length = (int)(header >> FlagBits) * (isWide ? 2 : 1);
        var text = from[..length];
        from = from[length..];
        if (!isWide)
        {
            return Encoding.Latin1.GetString(text);
        }

        return string.Create(length / 2, text, static (characters, bytes) => bytes.CopyTo(MemoryMarshal.AsBytes(characters)));
    }

    private static int WriteNumber(ulong number, Span<byte> to)
    {
        var length = 0;
        for (; number > 0x7f; number >>= 7)
        {
            to[length++] = (byte)(number | 0x80);
        }

        to[length++] = (byte)number;
        return length;
    }

    private static ulong ReadNumber(ref ReadOnlySpan<byte> from)
    {
        var number = 0UL;
        for (var index = 0; ; index++)
        {
            number |= (from[index] & 0x7fUL) << (7 * index);
            if (from[index] <= 0x7f)
            {
                from = from[(index + 1)..];
                return number;
            }
        }
    }
}
