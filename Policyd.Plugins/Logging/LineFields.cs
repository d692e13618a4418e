using System.Buffers;

namespace Policyd.Plugins.Logging;

/// <summary>How a line about a request begins, and how it shows a value under a name.</summary>
internal static class LineFields
{
    /// <summary>
    /// Appends <c>VHOST: instance=I</c>; a request that no virtual host serves has <c>-</c> in its place, an instance that is not there is
    /// left out.
    /// </summary>
    public static void Begin(ArrayBufferWriter<byte> line, string? virtualHost, ReadOnlySpan<byte> instance)
    {
        LogValue.Append(line, virtualHost ?? "-");
        line.Write(":"u8);

        if (!instance.IsEmpty)
        {
            Field(line, "instance"u8, instance);
        }
    }

    public static void Field(ArrayBufferWriter<byte> line, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        Name(line, name);
        LogValue.Append(line, value);
    }

    public static void Field(ArrayBufferWriter<byte> line, ReadOnlySpan<byte> name, string? value)
    {
        if (value is not null)
        {
            Name(line, name);
            LogValue.Append(line, value);
        }
    }

    public static void Name(ArrayBufferWriter<byte> line, ReadOnlySpan<byte> name)
    {
        line.Write(" "u8);
        line.Write(name);
        line.Write("="u8);
    }
}
