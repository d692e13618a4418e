using System.Globalization;
using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using Policyd.Modules.Spf;

namespace Policyd.Fuzz.Targets;

/// <summary>
/// The grammar of RFC 7208, section 12, as one regular expression for each kind of term; and section 7's macros, expanded plainly.
/// </summary>
internal static partial class PlainSpfReader
{
    private const string Macro = @"%\{[slodiphv](?:[0-9]*[1-9][0-9]*)?r?[.\-+,/_=]*\}|%%|%_|%-";
    private const string Macros = "(?:" + Macro + "|[!-$&-~])*";
    private const string Top = @"\.(?:[a-z0-9]*[a-z][a-z0-9]*|[a-z0-9]+-[a-z0-9-]*[a-z0-9])\.?";
    private const string Domain = "(?<domain>" + Macros + "(?:" + Top + "|" + Macro + "))";
    private const string Bits4 = "(?:/(?<bits4>0|[1-9][0-9]?))";
    private const string Bits6 = "(?<bits6>0|[1-9][0-9]{0,2})";
    private const string Octet = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";

    private static readonly (string Name, SpfMechanism Mechanism, Regex Form)[] s_forms =
    [
        ("all", SpfMechanism.All, Term("all")),
        ("include", SpfMechanism.Include, Term("include:" + Domain)),
        ("a", SpfMechanism.A, Term("a(?::" + Domain + ")?" + Bits4 + "?(?://" + Bits6 + ")?")),
        ("mx", SpfMechanism.Mx, Term("mx(?::" + Domain + ")?" + Bits4 + "?(?://" + Bits6 + ")?")),
        ("ptr", SpfMechanism.Ptr, Term("ptr(?::" + Domain + ")?")),
        ("ip4", SpfMechanism.Ip4, Term("ip4:(?<network>" + Octet + @"(?:\." + Octet + "){3})" + Bits4 + "?")),
        ("ip6", SpfMechanism.Ip6, Term("ip6:(?<network>[0-9a-f:.]+)(?:/" + Bits6 + ")?")),
        ("exists", SpfMechanism.Exists, Term("exists:" + Domain)),
    ];

    public static bool IsPolicy(string text) => Version().IsMatch(text);

    /// <summary>The record as text; null when the grammar, or one of the bounds beside it, does not take it.</summary>
    public static string? Describe(string text)
    {
        if (text.Length > SpfRecord.MostLength || text.Split("%{").Length - 1 > SpfMacroString.MostMacros)
        {
            return null;
        }

        var described = new StringBuilder();
        string? redirect = null, explanation = null;
        foreach (var term in text["v=spf1".Length..].Split(' ').Where(static term => term.Length > 0))
        {
            if (Modifier().Match(term) is not { Success: true } modifier)
            {
                if (!AppendDirective(described, term))
                {
                    return null;
                }

                continue;
            }

            var (name, value) = (modifier.Groups["name"].Value.ToLowerInvariant(), modifier.Groups["value"].Value);
            var isKnown = name is "redirect" or "exp";
            if (!(isKnown ? DomainSpec() : MacroString()).IsMatch(value) || (name == "redirect" && redirect is not null)
                || (name == "exp" && explanation is not null))
            {
                return null;
            }

            redirect = name == "redirect" ? value : redirect;
            explanation = name == "exp" ? value : explanation;
        }

        return described.Append("redirect ").Append(redirect).Append(" exp ").Append(explanation).ToString();
    }

    public static void Append(StringBuilder text, SpfVerdict verdict, SpfMechanism mechanism, string target, int bits4, int bits6) =>
        text.Append(CultureInfo.InvariantCulture, $"{verdict} {mechanism} {target} {bits4} {bits6}\n");

    /// <summary>The value of a macro in this target; the letters of a real sender among them.</summary>
    public static string ValueOf(char letter) => letter switch
    {
        's' => "strong-bad+x@email.example.com",
        'l' => "strong-bad+x",
        'o' => "email.example.com",
        'd' => "e\u00ff/m=ail.example.com",
        'i' => "192.0.2.3",
        'p' => "mx.example.org",
        'h' => "..helo_name..",
        _ => "in-addr",
    };

    public static string Expand(string text) => AnyMacro().Replace(text, static match => match.Value switch
    {
        "%%" => "%",
        "%_" => " ",
        "%-" => "%20",
        _ => Expand(match),
    });

    private static string Expand(Match match)
    {
        var letter = match.Groups["letter"].Value[0];
        var delimiters = match.Groups["by"].Length > 0 ? match.Groups["by"].Value : ".";
        var parts = ValueOf(char.ToLowerInvariant(letter)).Split(delimiters.ToCharArray()).ToList();
        if (match.Groups["reverse"].Success)
        {
            parts.Reverse();
        }

        var digits = match.Groups["parts"].Value.TrimStart('0');
        var keep = digits.Length is 0 or > 3 ? int.MaxValue : int.Parse(digits, CultureInfo.InvariantCulture);
        var value = string.Join('.', parts.Skip(Math.Max(0, parts.Count - keep)));
        return char.IsAsciiLetterLower(letter) ? value : string.Concat(value.Select(Escaped));
    }

    private static string Escaped(char c) =>
        char.IsAsciiLetterOrDigit(c) || "-._~".Contains(c, StringComparison.Ordinal) ? c.ToString()
            : string.Create(CultureInfo.InvariantCulture, $"%{(int)c:X2}");

    private static bool AppendDirective(StringBuilder described, string term)
    {
        foreach (var (_, mechanism, form) in s_forms)
        {
            if (form.Match(term) is not { Success: true } match)
            {
                continue;
            }

            var bits4 = match.Groups["bits4"].Success ? int.Parse(match.Groups["bits4"].Value, CultureInfo.InvariantCulture) : 32;
            var bits6 = match.Groups["bits6"].Success ? int.Parse(match.Groups["bits6"].Value, CultureInfo.InvariantCulture) : 128;
            var network = match.Groups["network"].Value;
            if (bits4 > 32 || bits6 > 128 || (mechanism == SpfMechanism.Ip6 && PlainIPv6.Read(network) is null))
            {
                return false;
            }

            var target = mechanism switch
            {
                SpfMechanism.Ip4 => string.Join('.', network.Split('.')),
                SpfMechanism.Ip6 => new IPAddress(PlainIPv6.Read(network)!).ToString(),
                _ => match.Groups["domain"].Value,
            };
            (bits4, bits6) = mechanism switch
            {
                SpfMechanism.Ip4 => (bits4, bits4),
                SpfMechanism.Ip6 => (bits6, bits6),
                SpfMechanism.A or SpfMechanism.Mx => (bits4, bits6),
                _ => (0, 0),
            };
            Append(described, VerdictOf(term[0]), mechanism, target, bits4, bits6);
            return true;
        }

        return false;
    }

    private static SpfVerdict VerdictOf(char qualifier) => qualifier switch
    {
        '-' => SpfVerdict.Fail,
        '~' => SpfVerdict.SoftFail,
        '?' => SpfVerdict.Neutral,
        _ => SpfVerdict.Pass,
    };

    private static Regex Term(string form) =>
        new(@"\A[-+?~]?" + form + @"\z", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking);

    [GeneratedRegex(@"\Av=spf1(?: |\z)", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Version();

    [GeneratedRegex(@"\A(?<name>[A-Za-z][A-Za-z0-9_.\-]*)=(?<value>(?s:.*))\z", RegexOptions.CultureInvariant)]
    private static partial Regex Modifier();

    [GeneratedRegex(@"\A" + Macros + @"\z", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex MacroString();

    [GeneratedRegex(@"\A" + Domain + @"\z", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex DomainSpec();

    [GeneratedRegex(@"%%|%_|%-|%\{(?<letter>[a-zA-Z])(?<parts>[0-9]*)(?<reverse>[rR])?(?<by>[^}]*)\}", RegexOptions.CultureInvariant)]
    private static partial Regex AnyMacro();
}
