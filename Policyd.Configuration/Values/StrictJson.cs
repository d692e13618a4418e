using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Policyd.Configuration.Values;

/// <summary>
/// Reads JSON whose texts are all valid Unicode. .NET finds a lone surrogate (<c>"\ud800"</c>) or broken UTF-8 only when a text is asked
/// for, with an exception that means a defect elsewhere: whoever reads JSON of strangers reads it here, and has one kind of error.
/// </summary>
public static class StrictJson
{
    /// <summary>Reads a document; to be disposed.</summary>
    /// <param name="utf8">Its bytes, which must stay as they are while it is used.</param>
    /// <param name="options">Bounds.</param>
    /// <exception cref="JsonException">It is no JSON, or a text in it is no valid Unicode.</exception>
    public static JsonDocument Parse(ReadOnlyMemory<byte> utf8, JsonDocumentOptions options = default)
    {
        var document = JsonDocument.Parse(utf8, options);
        try
        {
            Check(document.RootElement);
            return document;
        }
        catch (InvalidOperationException exception)
        {
            document.Dispose();
            throw new JsonException("it contains a string that is not valid Unicode", exception);
        }
    }

    /// <summary>The same of text; what is no valid UTF-16 in it becomes U+FFFD.</summary>
    /// <param name="text">The document.</param>
    /// <exception cref="JsonException">As above.</exception>
    public static JsonDocument Parse(string text) => Parse(Encoding.UTF8.GetBytes(text));

    /// <summary>Says where a text is no JSON, for people: without the reader's own words for what it had expected there.</summary>
    /// <param name="exception">What the reader threw.</param>
    /// <param name="before">How many bytes stand before the document in its line.</param>
    public static string Reason(JsonException exception, long before = 0)
    {
        ArgumentNullException.ThrowIfNull(exception);
        var byteOfLine = (exception.BytePositionInLine ?? 0) + 1;
        return exception.LineNumber switch
        {
            null => exception.Message,
            0 => string.Create(CultureInfo.InvariantCulture, $"it is wrong, or ends, at byte {byteOfLine + before}"),
            var line => string.Create(CultureInfo.InvariantCulture, $"it is wrong, or ends, at byte {byteOfLine} of line {line + 1}"),
        };
    }

    // Both throw InvalidOperationException for what is no valid Unicode. How deep it goes the parser bounds.
    private static void Check(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.String:
                _ = element.GetString();
                break;
            case JsonValueKind.Array:
                foreach (var item in element.EnumerateArray())
                {
                    Check(item);
                }

                break;
            case JsonValueKind.Object:
                foreach (var member in element.EnumerateObject())
                {
                    _ = member.Name;
                    Check(member.Value);
                }

                break;
        }
    }
}
