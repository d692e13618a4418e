using System.Buffers;
using System.Text;
using System.Text.Json;
using Policyd.Configuration.Values;

namespace Policyd.Plugins.Sessions;

// A session as a store keeps it: JSON for a store of another server, SessionBinary for the memory of this process.
public sealed partial class Session
{
    /// <summary>The session as one JSON object in UTF-8; what is no valid UTF-16 becomes U+FFFD.</summary>
    public byte[] ToJson()
    {
        var buffer = new ArrayBufferWriter<byte>();
        using var writer = new Utf8JsonWriter(buffer);
        lock (this)
        {
            writer.WriteStartObject();
            foreach (var (key, value) in _entries)
            {
                writer.WritePropertyName(Valid(key));
                if (value.IsJson)
                {
                    writer.WriteRawValue(value.Text);
                }
                else
                {
                    writer.WriteStringValue(Valid(value.Text));
                }
            }

            writer.WriteEndObject();
        }

        writer.Flush();
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>A session from one JSON object.</summary>
    /// <param name="json">UTF-8.</param>
    /// <exception cref="JsonException">It is no JSON object.</exception>
    public static Session FromJson(ReadOnlyMemory<byte> json)
    {
        using var document = StrictJson.Parse(json);
        var session = new Session();
        session.Merge(document.RootElement);
        return session;
    }

    /// <summary>Writes the values as <see cref="SessionBinary"/> into an array of the shared pool, behind what it holds already.</summary>
    /// <param name="buffer">The array; replaced by a larger one of the pool when the values do not fit.</param>
    /// <param name="length">How much of it is in use.</param>
    /// <param name="most">The most bytes that the caller can keep.</param>
    /// <returns>How much of it is in use now. More than <paramref name="most"/> when the values are too large, which then may not have been
    /// written.</returns>
    internal long WriteBinary(ref byte[] buffer, int length, long most)
    {
        lock (this)
        {
            // Each character takes at least one byte.
            var least = length + (_bytes - EntryOverhead * (long)_entries.Count) / 2;
            if (least > most)
            {
                return least;
            }

            var needed = length + SessionBinary.MaxBytes(_bytes);
            if (needed > Array.MaxLength)
            {
                return long.MaxValue;
            }

            if (needed > buffer.Length)
            {
                var larger = ArrayPool<byte>.Shared.Rent((int)needed);
                buffer.AsSpan(0, length).CopyTo(larger);
                ArrayPool<byte>.Shared.Return(buffer);
                buffer = larger;
            }

            return length + SessionBinary.Write(_entries, buffer.AsSpan(length));
        }
    }

    // A plugin may have cut a text within a pair of surrogates.
    private static string Valid(string text) =>
        text.AsSpan().ContainsAnyInRange('\ud800', '\udfff') ? Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text)) : text;
}
