using System.Buffers;
using Policyd.Plugins.Api;

namespace Policyd.Modules.Addresses;

/// <summary>
/// Leaves out of an address what differs from mail to mail, so that a sender or recipient is one key. Nothing proves a tag, and nothing
/// needs to: who can write a tag can write the address that it stands for. What is not exactly of a tag's form stays as it is.
/// </summary>
/// <param name="leftOut">What is left out.</param>
/// <param name="delimiters">The characters that begin an extension, as Postfix's <c>recipient_delimiter</c> has them.</param>
internal sealed class AddressTags(IReadOnlyList<AddressTag> leftOut, string delimiters)
{
    // A forwarder signs what another has signed: more layers than these are nobody's mail.
    private const int MostLayers = 4;

    private static readonly SearchValues<char> s_hex = SearchValues.Create("0123456789abcdefABCDEF");
    private static readonly SearchValues<char> s_tag = SearchValues.Create(
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/-_.");

    /// <summary>Leaves nothing out.</summary>
    public static AddressTags Kept { get; } = new([], "");

    /// <summary>Of a plugin's options, whose mistakes are reported.</summary>
    public static AddressTags Of(PluginSetup setup, IReadOnlyList<AddressTag> leftOut, string delimiters)
    {
        if (leftOut.Contains(AddressTag.Extension) && (delimiters.Length == 0
            || delimiters.Any(static letter => !char.IsAscii(letter) || char.IsAsciiLetterOrDigit(letter) || letter is '@' or '"' or ' ')))
        {
            setup.Error("recipient_delimiter", "set one or more characters that are not letters or digits, such as + or +-");
        }

        return new AddressTags(leftOut, delimiters);
    }

    /// <summary>
    /// The value of an attribute of a request: addresses of senders and recipients without what is left out, all else as it is.
    /// </summary>
    /// <param name="attribute">The attribute.</param>
    /// <param name="value">Its value.</param>
    public string? Without(string attribute, string? value) =>
        value is not null && attribute is "sender" or "recipient" ? Without(value!) : value;

    /// <summary>The address without what is left out.</summary>
    /// <param name="address">An address of any length from anywhere; without a domain as well.</param>
    public string Without(string address)
    {
        // A quoted local part may have any of the signs in it.
        if (leftOut.Count == 0 || address.StartsWith('"'))
        {
            return address;
        }

        for (var layer = 0; layer < MostLayers && (Srs(address) ?? Batv(address)) is { } inner; layer++)
        {
            address = inner;
        }

        return leftOut.Contains(AddressTag.Extension) ? WithoutExtension(address) : address;
    }

    private string? Srs(string address)
    {
        var at = address.LastIndexOf('@');
        if (!leftOut.Contains(AddressTag.Srs) || at < 0)
        {
            return null;
        }

        var local = address.AsSpan(0, at);
        if (local.Length < 6
            || local[4] is not ('=' or '-' or '+')
            || local.ContainsAny('@', '"')
            || !local.StartsWith("SRS", StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        // SRS0=HASH=TT=dom=user@forwarder
        // SRS1=HASH=forwarder==HASH=TT=dom=user@next, where the second = is the one behind the forwarder's own SRS0: it may be - or + as
        // well.
        var rest = local[5..];
        return local[3] switch
        {
            '0' => OfForwarder(rest),
            '1' when TakesField(ref rest, out _) && TakesField(ref rest, out _) && rest.Length > 0 && rest[0] is '=' or '-' or '+' =>
                OfForwarder(rest[1..]),
            _ => null,
        };
    }

    private static string? OfForwarder(ReadOnlySpan<char> rest) =>
        TakesField(ref rest, out _) && TakesField(ref rest, out _) && TakesField(ref rest, out var domain) && rest.Length > 0
            ? $"{rest}@{domain}"
            : null;

    private static bool TakesField(ref ReadOnlySpan<char> rest, out ReadOnlySpan<char> field)
    {
        var end = rest.IndexOf('=');
        field = end > 0 ? rest[..end] : default;
        rest = end > 0 ? rest[(end + 1)..] : rest;
        return end > 0;
    }

    private string? Batv(string address)
    {
        if (!leftOut.Contains(AddressTag.Batv))
        {
            return null;
        }

        if (After(address, "prvs=") is { } tagged)
        {
            return Prvs(tagged);
        }

        // Barracuda's btv1==TAG==user, Momentum's msprvs1=TAG=user.
        return After(address, "btv1==") is { } btv ? Behind(btv, "==") : After(address, "msprvs1=") is { } ms ? Behind(ms, "=") : null;
    }

    // The draft's order is TAG=user; some have user=TAG, and Exim once had user/TAG. The tag itself tells which: a key's number, a day, six
    // hex digits.
    private static string? Prvs(string tagged)
    {
        var at = tagged.LastIndexOf('@');
        var local = at < 0 ? tagged : tagged[..at];
        var last = local.LastIndexOfAny(['=', '/']);
        var isReversed = last > 0 && IsTag(local.AsSpan(last + 1)) && (local[last] == '/' || !IsTag(local.AsSpan(0, local.IndexOf('='))));
        return isReversed ? local[..last] + tagged[local.Length..] : Behind(tagged, "=");
    }

    private static bool IsTag(ReadOnlySpan<char> text) =>
        text.Length == 10 && !text[..4].ContainsAnyExceptInRange('0', '9') && text.IndexOfAnyExcept(s_hex) < 0;

    private static string? After(string address, string prefix) =>
        address.StartsWith(prefix, StringComparison.OrdinalIgnoreCase) ? address[prefix.Length..] : null;

    // The user behind a tag of letters and digits.
    private static string? Behind(string tagged, string separator)
    {
        var end = tagged.IndexOf(separator, StringComparison.Ordinal);
        var user = end + separator.Length;
        return end > 0 && tagged.AsSpan(0, end).IndexOfAnyExcept(s_tag) < 0 && user < tagged.Length && tagged[user] != '@'
            ? tagged[user..]
            : null;
    }

    // As Postfix splits an address: not the addresses of the mail system itself, and not where nothing would be left.
    private string WithoutExtension(string address)
    {
        var at = address.LastIndexOf('@');
        var local = address.AsSpan(0, at < 0 ? address.Length : at);
        var end = local.IndexOfAny(delimiters);
        return end <= 0 || IsOfMailSystem(local) ? address : string.Concat(local[..end], address.AsSpan(local.Length));
    }

    private bool IsOfMailSystem(ReadOnlySpan<char> local) =>
        local.Equals("mailer-daemon", StringComparison.OrdinalIgnoreCase)
            || local.Equals("double-bounce", StringComparison.OrdinalIgnoreCase)
            || (delimiters.Contains('-')
                && (local.StartsWith("owner-", StringComparison.OrdinalIgnoreCase)
                    || local.EndsWith("-request", StringComparison.OrdinalIgnoreCase)));
}
