using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;

namespace Policyd.Protocol;

/// <summary>
/// Reads the bytes of one request into a <see cref="PolicyRequest"/>, in one pass, and says clearly what is wrong with a bad one.
/// </summary>
public static class PolicyRequestReader
{
    private const int ShownBytes = 40;

    /// <summary>
    /// Reads one frame, with or without its closing empty line; the request keeps <paramref name="frame"/>, which must not change any more.
    /// LF and CRLF end a line; a repeated name keeps its last value; a value may be empty, may hold further <c>=</c>, and need not be
    /// UTF-8.
    /// </summary>
    public static bool TryRead(
        ReadOnlyMemory<byte> frame,
        RequestLimits limits,
        [NotNullWhen(true)] out PolicyRequest? request,
        [NotNullWhen(false)] out RequestError? error)
    {
        var isRead = TryRead(frame.Span, limits, out var index, out error);
        request = isRead ? new PolicyRequest(frame[..index.Length], index.Known, index.HasOthers) : null;
        return isRead;
    }

    /// <summary>The same for a frame in rented memory, which the request gives back once it is answered.</summary>
    internal static bool TryReadRented(
        byte[] frame,
        int length,
        RequestLimits limits,
        [NotNullWhen(true)] out PolicyRequest? request,
        [NotNullWhen(false)] out RequestError? error)
    {
        var isRead = TryRead(frame.AsSpan(0, length), limits, out var index, out error);
        request = isRead ? new PolicyRequest(frame, index.Length, index.Known, index.HasOthers) : null;
        return isRead;
    }

    internal static RequestError TooLarge(RequestLimits limits) => new(
        RequestErrorKind.TooLarge,
        string.Create(CultureInfo.InvariantCulture, $"the request is larger than {limits.MaxRequestBytes} bytes"));

    private static bool TryRead(
        ReadOnlySpan<byte> bytes, RequestLimits limits, out Index index, [NotNullWhen(false)] out RequestError? error)
    {
        ArgumentNullException.ThrowIfNull(limits);
        index = default;
        error = bytes.Length > limits.MaxRequestBytes ? TooLarge(limits)
            : bytes.Contains((byte)0) ? new RequestError(RequestErrorKind.Nul, "the request contains a NUL byte")
            : null;
        if (error is not null)
        {
            return false;
        }

        var lines = new RequestLines(bytes);
        while (lines.MoveNext())
        {
            error = ReadLine(ref lines, limits, ref index);
            if (error is not null)
            {
                return false;
            }

            index.Length = lines.Next;
        }

        if (index.Length == 0)
        {
            error = new RequestError(RequestErrorKind.Empty, "an empty line came without any attribute before it");
            return false;
        }

        return true;
    }

    private static RequestError? ReadLine(ref RequestLines lines, RequestLimits limits, ref Index index)
    {
        var line = lines.Line;
        var equal = line.IndexOf((byte)'=');
        if (equal < 0)
        {
            return new RequestError(RequestErrorKind.NoEqualSign, $"a line has no '=': \"{Show(line)}\"");
        }

        if (equal == 0)
        {
            return new RequestError(RequestErrorKind.EmptyName, $"a line has no name before its '=': \"{Show(line)}\"");
        }

        if (equal > limits.MaxNameBytes)
        {
            return new RequestError(
                RequestErrorKind.NameTooLong,
                string.Create(
                    CultureInfo.InvariantCulture, $"an attribute's name is longer than {limits.MaxNameBytes} bytes: \"{Show(line)}\""));
        }

        if (!PolicyAttributes.TryFind(line[..equal], out var attribute))
        {
            index.HasOthers = true;
        }
        else if (PolicyRequest.ValueSpan.Fits(lines.Start + line.Length))
        {
            index.Known[(int)attribute] = new((ushort)(lines.Start + equal + 1), (ushort)(line.Length - equal - 1));
        }

        return null;
    }

    /// <summary>The beginning of a bad line, fit for a log: printable ASCII as it is, everything else as \xHH.</summary>
    private static string Show(ReadOnlySpan<byte> line)
    {
        var shown = new StringBuilder();
        foreach (var one in line[..Math.Min(line.Length, ShownBytes)])
        {
            if (one is >= 0x20 and < 0x7f and not (byte)'\\' and not (byte)'"')
            {
                shown.Append((char)one);
            }
            else
            {
                shown.Append(CultureInfo.InvariantCulture, $"\\x{one:x2}");
            }
        }

        return line.Length > ShownBytes ? shown.Append("...").ToString() : shown.ToString();
    }

    /// <summary>What one pass over a frame finds: its length without the closing empty line, and where the values stand.</summary>
    private struct Index
    {
        public int Length;
        public bool HasOthers;
        public PolicyRequest.ValueSpans Known;
    }
}
