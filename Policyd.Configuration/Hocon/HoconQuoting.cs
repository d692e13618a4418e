using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Policyd.Configuration.Tree;

namespace Policyd.Configuration.Hocon;

// How keys and scalars are written: bare where that reads well and means the same, in triple quotes where backslashes or several lines
// would need escaping, else as in JSON.
internal static partial class HoconQuoting
{
    public static string Key(string key) => BareKey().IsMatch(key) && key != "include" ? key : Quoted(key);

    public static string Scalar(ConfigScalar scalar) => scalar.Kind switch
    {
        ScalarKind.Null => "null",
        ScalarKind.String => Text(scalar.Text),
        _ => scalar.Text,
    };

    public static string Quoted(string text)
    {
        var quoted = new StringBuilder(text.Length + 2).Append('"');
        foreach (var c in text)
        {
            switch (c)
            {
                case '"': quoted.Append("\\\""); break;
                case '\\': quoted.Append("\\\\"); break;
                case '\n': quoted.Append("\\n"); break;
                case '\r': quoted.Append("\\r"); break;
                case '\t': quoted.Append("\\t"); break;
                case < ' ' or '\u007f': quoted.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"); break;
                default: quoted.Append(c); break;
            }
        }

        return quoted.Append('"').ToString();
    }

    private static string Text(string text)
    {
        if (BareWord().IsMatch(text) && HoconText.KindOf(text) == ScalarKind.String)
        {
            return text;
        }

        var isVerbatim = text.AsSpan().ContainsAny('\\', '\n')
            && !text.Contains("\"\"\"", StringComparison.Ordinal)
            && !text.Any(c => char.IsControl(c) && c != '\n');
        return isVerbatim ? $"\"\"\"{text}\"\"\"" : Quoted(text);
    }

    [GeneratedRegex(@"\A[A-Za-z0-9_-]+\z", RegexOptions.CultureInvariant)]
    private static partial Regex BareKey();

    [GeneratedRegex(@"\A[A-Za-z_][A-Za-z0-9_.-]*\z", RegexOptions.CultureInvariant)]
    private static partial Regex BareWord();
}
