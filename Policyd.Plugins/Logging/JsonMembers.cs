using System.Buffers;
using System.Buffers.Text;
using System.Globalization;

namespace Policyd.Plugins.Logging;

/// <summary>
/// Writes members of a JSON object on one line. Utf8JsonWriter is not used: it refuses bytes that are no UTF-8, and its encoders either
/// leave bidirectional overrides as they are or write <c>+</c> and <c>'</c>, which addresses have, as escapes that nobody finds with grep.
/// </summary>
/// <param name="line">The line, in which the object has been opened and has a member already.</param>
/// <param name="whole">Whether a request may stand in it whole; else only the attributes of the text line, each cut.</param>
public sealed class JsonMembers(ArrayBufferWriter<byte> line, bool whole)
{
    /// <summary>The most bytes of a text that no bound of its own has.</summary>
    public const int MaxTextBytes = 8000;

    private bool _first;

    /// <summary>Whether a request may stand in it whole.</summary>
    public bool Whole => whole;

    /// <summary>Writes <c>"name":"value"</c>.</summary>
    /// <param name="name">Any bytes.</param>
    /// <param name="value">Any bytes; those that are no UTF-8 become U+FFFD.</param>
    /// <param name="most">The most bytes of the value, which is cut there and gets <c>...</c>.</param>
    public void Text(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, int most = int.MaxValue)
    {
        Name(name);
        line.Write("\""u8);
        var cut = LogEscape.Append(line, value, EscapeStyle.Json, most);
        line.Write(cut ? "...\""u8 : "\""u8);
    }

    /// <summary>The same; a null is left out.</summary>
    /// <param name="name">Any bytes.</param>
    /// <param name="value">Any text.</param>
    /// <param name="most">The most bytes of the value.</param>
    public void Text(ReadOnlySpan<byte> name, string? value, int most = int.MaxValue)
    {
        if (value is not null)
        {
            using var bytes = new Utf8Text(value);
            Text(name, bytes.Span, most);
        }
    }

    /// <summary>Writes <c>"name":"base64"</c>.</summary>
    /// <param name="name">The name.</param>
    /// <param name="bytes">The bytes.</param>
    public void Base64(ReadOnlySpan<byte> name, ReadOnlySpan<byte> bytes)
    {
        Name(name);
        line.Write("\""u8);
        _ = System.Buffers.Text.Base64.EncodeToUtf8(
            bytes, line.GetSpan(System.Buffers.Text.Base64.GetMaxEncodedToUtf8Length(bytes.Length)), out _, out var written);
        line.Advance(written);
        line.Write("\""u8);
    }

    /// <summary>Writes a number, with so many digits behind the point.</summary>
    /// <param name="name">The name.</param>
    /// <param name="value">A finite number.</param>
    /// <param name="digits">How many digits.</param>
    public void Number(ReadOnlySpan<byte> name, double value, byte digits)
    {
        Name(name);
        LogNumber.Append(line, value, digits);
    }

    /// <summary>Writes a number or a truth value as such, when the text is one of a number; else as text.</summary>
    /// <param name="name">The name.</param>
    /// <param name="value">The value.</param>
    public void Value(ReadOnlySpan<byte> name, object? value)
    {
        switch (value)
        {
            case null:
                return;
            case bool truth:
                Raw(name, truth ? "true"u8 : "false"u8);
                return;
            case sbyte or byte or short or ushort or int or uint or long or ulong or decimal:
                using (var digits = new Utf8Text(((IFormattable)value).ToString(null, CultureInfo.InvariantCulture)))
                {
                    Raw(name, digits.Span);
                }

                return;
            case double number:
                Number(name, number.ToString("R", CultureInfo.InvariantCulture));
                return;
            default:
                Text(name, value is IFormattable text ? text.ToString(null, CultureInfo.InvariantCulture) : value.ToString(), MaxTextBytes);
                return;
        }
    }

    /// <summary>Writes a text that should be a number as one; as text when it is none.</summary>
    /// <param name="name">The name.</param>
    /// <param name="value">The text.</param>
    public void Number(ReadOnlySpan<byte> name, string value)
    {
        if (double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number))
        {
            using var digits = new Utf8Text(number.ToString("R", CultureInfo.InvariantCulture));
            Raw(name, digits.Span);
        }
        else
        {
            Text(name, value, LogValue.MaxBytes);
        }
    }

    /// <summary>Opens an object; its members follow.</summary>
    /// <param name="name">The name.</param>
    public void Begin(ReadOnlySpan<byte> name)
    {
        Raw(name, "{"u8);
        _first = true;
    }

    /// <summary>Closes the object.</summary>
    public void End()
    {
        _first = false;
        line.Write("}"u8);
    }

    /// <summary>Writes a value that is JSON already.</summary>
    /// <param name="name">The name.</param>
    /// <param name="json">The JSON.</param>
    public void Raw(ReadOnlySpan<byte> name, ReadOnlySpan<byte> json)
    {
        Name(name);
        line.Write(json);
    }

    private void Name(ReadOnlySpan<byte> name)
    {
        line.Write(_first ? "\""u8 : ",\""u8);
        _first = false;
        _ = LogEscape.Append(line, name, EscapeStyle.Json, int.MaxValue);
        line.Write("\":"u8);
    }
}

internal static class LogNumber
{
    /// <summary>Appends <c>12.3</c>.</summary>
    public static void Append(ArrayBufferWriter<byte> line, double value, byte digits)
    {
        _ = Utf8Formatter.TryFormat(value, line.GetSpan(64), out var written, new StandardFormat('F', digits));
        line.Advance(written);
    }
}
