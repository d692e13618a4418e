using System.Text.RegularExpressions;

namespace Policyd.Bench.Compare;

/// <summary>A value of the command line that may be for one named server: NAME=VALUE, or VALUE for all.</summary>
public readonly partial record struct NamedValue(string? Name, string Value)
{
    /// <summary>A name is a word without path or space, so that a command or a file may hold an equals sign further on.</summary>
    public static NamedValue Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var match = Pattern().Match(text);
        return match.Success ? new NamedValue(match.Groups[1].Value, text[match.Length..]) : new NamedValue(null, text);
    }

    [GeneratedRegex(@"\A([A-Za-z0-9._-]+)=")]
    private static partial Regex Pattern();
}
