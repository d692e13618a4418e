using System.Text;
using System.Text.RegularExpressions;

namespace Policyd.Configuration.Options;

/// <summary>
/// The option is a URL. Hidden are user and password before the host, the values of the query, the fragment, and each part of the path that
/// has 20 letters and digits or more, for that is what tokens look like. Scheme, host, port and the rest of the path are shown.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed partial class SecretInUrlAttribute : SecretOptionAttribute
{
    /// <inheritdoc/>
    public override string Hide(string value)
    {
        if (string.IsNullOrEmpty(value))
        {
            return "";
        }

        return Form().Match(value) is { Success: true } url && Uri.TryCreate(value, UriKind.Absolute, out _) ? Shown(url) : Mask;
    }

    private static string Shown(Match url)
    {
        var shown = new StringBuilder(url.Groups["scheme"].Value);
        if (url.Groups["user"].Success)
        {
            shown.Append(Mask).Append('@');
        }

        shown.Append(url.Groups["host"].Value).Append(Token().Replace(url.Groups["path"].Value, Mask));
        if (url.Groups["query"].Success)
        {
            shown.Append('?').AppendJoin('&', url.Groups["query"].Value.Split('&').Select(Parameter));
        }

        return url.Groups["fragment"].Success ? shown.Append('#').Append(Mask).ToString() : shown.ToString();
    }

    // A parameter without a name may be the token itself.
    private static string Parameter(string parameter) =>
        parameter.IndexOf('=') is var equals and > 0
            ? $"{Token().Replace(parameter[..equals], Mask)}={Mask}"
            : parameter.Length == 0 ? "" : Mask;

    // The host is what stands behind the last @ before the path: a password may hold an @ of its own.
    [GeneratedRegex(
        @"\A(?<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?:(?<user>[^/?#]*)@)?"
            + @"(?<host>\[[0-9A-Fa-f:.]+\](?::[0-9]+)?|[^/?#@\s:\\]*(?::[0-9]+)?)"
            + @"(?<path>(?:/[^?#\s@]*)?)(?:\?(?<query>[^#]*))?(?:#(?<fragment>.*))?\z",
        RegexOptions.CultureInvariant | RegexOptions.Singleline)]
    private static partial Regex Form();

    [GeneratedRegex("[A-Za-z0-9_~%+=-]{20,}", RegexOptions.CultureInvariant)]
    private static partial Regex Token();
}
