using System.Net;
using Policyd.Configuration.Values;

namespace Policyd.Engine.Clustering;

/// <summary>
/// A pattern for the names in a peer's certificate, such as <c>mx*.example.org</c>. A <c>*</c> stands for any characters within one label,
/// never for a dot: so a pattern never takes in names of another level. An address has no <c>*</c> and matches only itself.
/// </summary>
public sealed class NamePattern : IOptionValue<NamePattern>
{
    private readonly string _text;
    private readonly string[] _labels;
    private readonly IPAddress? _address;

    private NamePattern(string text, IPAddress? address) =>
        (_text, _address, _labels) = (text, address, address is null ? text.Split('.') : []);

    /// <inheritdoc/>
    public static bool TryParse(string text, out NamePattern? value, out string? error)
    {
        ArgumentNullException.ThrowIfNull(text);
        var name = text.Trim().TrimEnd('.');
        var address = IPAddress.TryParse(name.Trim('[', ']'), out var parsed) && (name.Contains(':') || name.Count(c => c == '.') == 3)
            ? parsed : null;
        var fits = address is not null || Array.TrueForAll(name.Split('.'), IsLabel);
        value = fits ? new NamePattern(address?.ToString() ?? name, address) : null;
        error = fits ? null
            : $"expected a host name, in which * stands for characters other than a dot, or an address; found \"{text}\"";
        return fits;
    }

    /// <summary>Whether a DNS name of a certificate is one of these.</summary>
    /// <param name="name">The name, in any case.</param>
    public bool Matches(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        var labels = name.TrimEnd('.').Split('.');
        return _address is null && labels.Length == _labels.Length && _labels.Zip(labels).All(pair => Matches(pair.First, pair.Second));
    }

    /// <summary>Whether an address of a certificate is this one.</summary>
    /// <param name="address">The address.</param>
    public bool Matches(IPAddress address) => _address is { } own && own.Equals(address);

    /// <inheritdoc/>
    public override string ToString() => _text;

    private static bool IsLabel(string label) =>
        label.Length is > 0 and < 64 && label.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '*');

    // The text before the first * and behind the last one stand at the ends; those between follow each other.
    private static bool Matches(ReadOnlySpan<char> pattern, ReadOnlySpan<char> label)
    {
        var star = pattern.IndexOf('*');
        if (star < 0)
        {
            return pattern.Equals(label, StringComparison.OrdinalIgnoreCase);
        }

        if (!label.StartsWith(pattern[..star], StringComparison.OrdinalIgnoreCase))
        {
            return false;
        }

        label = label[star..];
        pattern = pattern[(star + 1)..];
        while (pattern.IndexOf('*') is var next and >= 0)
        {
            var at = label.IndexOf(pattern[..next], StringComparison.OrdinalIgnoreCase);
            if (at < 0)
            {
                return false;
            }

            label = label[(at + next)..];
            pattern = pattern[(next + 1)..];
        }

        return label.EndsWith(pattern, StringComparison.OrdinalIgnoreCase);
    }
}
