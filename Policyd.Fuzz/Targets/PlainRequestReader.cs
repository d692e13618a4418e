using System.Globalization;
using System.Text;
using Policyd.Protocol;

namespace Policyd.Fuzz.Targets;

/// <summary>The policy protocol read plainly: text, split into lines. Each byte is a character.</summary>
internal static class PlainRequestReader
{
    public static string Describe(byte[] bytes, RequestLimits limits)
    {
        var described = new StringBuilder();
        var rest = Encoding.Latin1.GetString(bytes);
        while (true)
        {
            var lines = new List<string>();
            var length = 0;
            var isWhole = false;
            for (var end = rest.IndexOf('\n', StringComparison.Ordinal); end >= 0 && !isWhole; end = rest.IndexOf('\n', length))
            {
                var line = rest[length..end];
                line = line.EndsWith('\r') ? line[..^1] : line;
                length = end + 1;
                isWhole = line.Length == 0;
                lines.Add(line);
            }

            // A request whose end has not come is refused for its size as well.
            if ((isWhole ? length : rest.Length) > limits.MaxRequestBytes)
            {
                return described.Append(RequestErrorKind.TooLarge).ToString();
            }

            if (!isWhole)
            {
                return described.Append(rest.Length > 0 ? "partial" : "").ToString();
            }

            if (Error(rest[..length], lines, limits) is { } error)
            {
                return described.Append(error).ToString();
            }

            AppendAttributes(described, lines);
            rest = rest[length..];
        }
    }

    public static void Append(StringBuilder text, string name, string value) =>
        text.Append(CultureInfo.InvariantCulture, $"{name.Length}:{name}={value}\n");

    private static RequestErrorKind? Error(string text, List<string> lines, RequestLimits limits)
    {
        if (text.Contains('\0', StringComparison.Ordinal))
        {
            return RequestErrorKind.Nul;
        }

        foreach (var line in lines.SkipLast(1))
        {
            var equal = line.IndexOf('=', StringComparison.Ordinal);
            if (equal <= 0 || equal > limits.MaxNameBytes)
            {
                return equal < 0 ? RequestErrorKind.NoEqualSign : equal == 0 ? RequestErrorKind.EmptyName : RequestErrorKind.NameTooLong;
            }
        }

        return lines.Count == 1 ? RequestErrorKind.Empty : null;
    }

    // Each name once, at its first place, with its last value.
    private static void AppendAttributes(StringBuilder described, List<string> lines)
    {
        var pairs = lines.SkipLast(1).Select(static line => line.Split('=', 2)).ToList();
        foreach (var name in pairs.Select(static pair => pair[0]).Distinct())
        {
            Append(described, name, pairs.Last(pair => pair[0] == name)[1]);
        }

        described.Append("end\n");
    }
}
