using System.Buffers;
using System.Globalization;
using System.Text;
using Policyd.Plugins.Caches;

namespace Policyd.Backends.Memcached;

/// <summary>One command of the meta protocol: <c>mg</c>, <c>ms</c>, <c>md</c> with a key, or <c>mn</c> with nothing.</summary>
/// <param name="Verb">The two letters.</param>
/// <param name="Key">As <see cref="MemcachedKeys"/> makes it; empty for <c>mn</c>.</param>
/// <param name="Flags">Beside the opaque.</param>
/// <param name="Value">The data block of <c>ms</c>.</param>
internal readonly record struct MemcachedCommand(string Verb, string Key, string Flags, ReadOnlyMemory<byte>? Value = null)
{
    public static readonly MemcachedCommand NoOperation = new("mn", "", "");
}

/// <summary>The answer to one command.</summary>
/// <param name="Code">The two letters: HD, VA, EN, NF, NS, EX, MN.</param>
/// <param name="Opaque">What the command had; null when the answer has none.</param>
/// <param name="Value">The data block of VA.</param>
internal readonly record struct MemcachedReply(string Code, uint? Opaque, byte[]? Value);

/// <summary>The bytes of memcached's meta protocol (protocol.txt of its distribution), apart from any connection.</summary>
internal static class MemcachedWire
{
    /// <summary>The largest value, either way, in bytes. memcached itself takes items up to 1 MiB, its own header included.</summary>
    public const int MaxValueBytes = 1_000_000;

    private const int MaxLineBytes = 2048;
    private static readonly string[] s_codes = ["HD", "VA", "EN", "NF", "NS", "EX", "MN"];

    public static void Write(IBufferWriter<byte> output, in MemcachedCommand command, uint opaque)
    {
        Encoding.ASCII.GetBytes(
            command.Key.Length == 0 ? $"{command.Verb}\r\n"
            : command.Value is { } sized
                ? string.Create(CultureInfo.InvariantCulture, $"{command.Verb} {command.Key} {sized.Length} {command.Flags} O{opaque}\r\n")
                : string.Create(CultureInfo.InvariantCulture, $"{command.Verb} {command.Key} {command.Flags} O{opaque}\r\n"),
            output);
        if (command.Value is { } value)
        {
            output.Write(value.Span);
            output.Write("\r\n"u8);
        }
    }

    /// <summary>Takes one whole answer from the front of the bytes.</summary>
    /// <returns>False, and nothing taken, while it is not whole.</returns>
    /// <exception cref="CacheException">It is an error, or nothing that memcached says.</exception>
    public static bool TryRead(ref ReadOnlySequence<byte> bytes, out MemcachedReply reply)
    {
        reply = default;
        var reader = new SequenceReader<byte>(bytes);
        if (!reader.TryReadTo(out ReadOnlySequence<byte> line, (byte)'\n'))
        {
            return bytes.Length > MaxLineBytes ? throw new CacheException("the server sent a line that does not end") : false;
        }

        if (line.Length is 0 or > MaxLineBytes)
        {
            throw new CacheException("the server does not speak memcached's meta protocol");
        }

        var text = Encoding.Latin1.GetString(line);
        var words = text.TrimEnd('\r').Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (!text.EndsWith('\r')
            || text.Contains('\0', StringComparison.Ordinal)
            || words.Length == 0
            || Array.IndexOf(s_codes, words[0]) < 0)
        {
            throw NoReply(text.TrimEnd('\r'));
        }

        byte[]? value = null;
        if (words[0] == "VA")
        {
            var size = SizeOf(words);
            if (reader.Remaining < size + 2)
            {
                return false;
            }

            value = reader.UnreadSequence.Slice(0, size).ToArray();
            reader.Advance(size);
            if (!reader.IsNext("\r\n"u8, advancePast: true))
            {
                throw new CacheException("the server sent a value whose length differs from the stated size");
            }
        }

        reply = new MemcachedReply(words[0], OpaqueOf(words), value);
        bytes = bytes.Slice(reader.Position);
        return true;
    }

    private static int SizeOf(string[] words) =>
        words.Length < 2 || !int.TryParse(words[1], NumberStyles.None, CultureInfo.InvariantCulture, out var size)
            ? throw new CacheException("the server sent a value without its size")
            : size > MaxValueBytes
                ? throw new CacheException($"the server sent a value of {size} bytes; at most {MaxValueBytes} are accepted")
                : size;

    private static uint? OpaqueOf(string[] words)
    {
        foreach (var word in words.AsSpan(1))
        {
            if (word[0] == 'O')
            {
                return uint.TryParse(word.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out var opaque)
                    ? opaque
                    : throw new CacheException("the server sent an unknown opaque");
            }
        }

        return null;
    }

    private static CacheException NoReply(string line) =>
        line.StartsWith("SERVER_ERROR", StringComparison.Ordinal) || line.StartsWith("CLIENT_ERROR", StringComparison.Ordinal)
            ? new CacheException($"the server says: {(line.Length > 200 ? line[..200] : line)}")
            : line == "ERROR" ? new CacheException("the server says: ERROR; the meta protocol needs memcached 1.6")
            : new CacheException("the server does not speak memcached's meta protocol");
}
