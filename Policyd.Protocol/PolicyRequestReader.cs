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
        ArgumentNullException.ThrowIfNull(limits);
        request = null;
        var bytes = frame.Span;
        error = bytes.Length > limits.MaxRequestBytes ? TooLarge(limits)
            : bytes.Contains((byte)0) ? new RequestError(RequestErrorKind.Nul, "the request contains a NUL byte")
            : null;
        if (error is not null)
        {
            return false;
        }

        var known = new PolicyRequest.ValueSpan[PolicyAttributes.Count];
        var lines = new RequestLines(bytes);
        var end = 0;
        while (lines.MoveNext())
        {
            error = ReadLine(ref lines, limits, known);
            if (error is not null)
            {
                return false;
            }

            end = lines.Next;
        }

        if (end == 0)
        {
            error = new RequestError(RequestErrorKind.Empty, "an empty line came without any attribute before it");
            return false;
        }

        request = new PolicyRequest(frame[..end], known);
        return true;
    }

    internal static RequestError TooLarge(RequestLimits limits) => new(
        RequestErrorKind.TooLarge,
        string.Create(CultureInfo.InvariantCulture, $"the request is larger than {limits.MaxRequestBytes} bytes"));

    private static RequestError? ReadLine(ref RequestLines lines, RequestLimits limits, PolicyRequest.ValueSpan[] known)
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

        if (PolicyAttributes.TryFind(line[..equal], out var attribute))
        {
            known[(int)attribute] = new PolicyRequest.ValueSpan(lines.Start + equal + 1, line.Length - equal - 1);
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
}
