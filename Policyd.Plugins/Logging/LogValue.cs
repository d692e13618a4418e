using System.Buffers;
using System.Text;

namespace Policyd.Plugins.Logging;

/// <summary>
/// The values of a text line. Printable ASCII without space, quote, backslash and equals sign stands as it is; everything else stands in
/// double quotes with escapes. So the end of a value is always known, and no value can look like a field.
/// </summary>
public static class LogValue
{
    /// <summary>The most bytes of a value in a line. One that is longer ends with <c>"...</c>, the dots behind its closing quote.</summary>
    public const int MaxBytes = 400;

    private static readonly SearchValues<byte> s_bare =
        SearchValues.Create([.. Enumerable.Range(0x21, 0x5e)
            .Select(static code => (byte)code)
            .Where(static code => code is not ((byte)'"' or (byte)'\\' or (byte)'='))]);

    /// <summary>Appends a value.</summary>
    /// <param name="line">The line.</param>
    /// <param name="value">Any bytes.</param>
    /// <param name="most">The most bytes between the quotes.</param>
    public static void Append(ArrayBufferWriter<byte> line, ReadOnlySpan<byte> value, int most = MaxBytes)
    {
        if (!value.IsEmpty && value.Length <= most && !value.ContainsAnyExcept(s_bare))
        {
            line.Write(value);
            return;
        }

        line.Write("\""u8);
        var cut = LogEscape.Append(line, value, EscapeStyle.Quoted, most);
        line.Write(cut ? "\"..."u8 : "\""u8);
    }

    /// <summary>Appends a value.</summary>
    /// <param name="line">The line.</param>
    /// <param name="value">Any text.</param>
    public static void Append(ArrayBufferWriter<byte> line, string value)
    {
        using var bytes = new Utf8Text(value);
        Append(line, bytes.Span);
    }

    /// <summary>The value as it would stand in a line.</summary>
    /// <param name="value">Any text.</param>
    public static string Quote(string value)
    {
        var line = new ArrayBufferWriter<byte>(Math.Max(16, value.Length));
        Append(line, value);
        return Encoding.UTF8.GetString(line.WrittenSpan);
    }
}

/// <summary>A text's bytes in a pooled array.</summary>
internal readonly struct Utf8Text : IDisposable
{
    private readonly byte[] _bytes;
    private readonly int _length;

    public Utf8Text(string text)
    {
        _bytes = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetMaxByteCount(text.Length));
        _length = Encoding.UTF8.GetBytes(text, _bytes);
    }

    public ReadOnlySpan<byte> Span => _bytes.AsSpan(0, _length);

    public void Dispose() => ArrayPool<byte>.Shared.Return(_bytes);
}
