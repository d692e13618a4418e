using System.Buffers;
using System.Buffers.Text;

namespace Policyd.Server.Logging;

/// <summary>The time of a line: <c>2026-01-02T03:04:05.678+00:00</c>.</summary>
internal static class LogTime
{
    // .NET's round-trip format has seven digits behind the point; a line has the first three.
    private const int ToMilliseconds = 23;
    private const int ToZone = 27;

    public static void Append(ArrayBufferWriter<byte> line, DateTimeOffset time)
    {
        Span<byte> whole = stackalloc byte[40];
        _ = Utf8Formatter.TryFormat(time, whole, out var length, new StandardFormat('O'));
        line.Write(whole[..ToMilliseconds]);
        line.Write(whole[ToZone..length]);
    }
}
