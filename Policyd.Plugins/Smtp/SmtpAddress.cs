using System.Buffers;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Policyd.Plugins.Addresses;
using Policyd.Plugins.Dns;
using Policyd.Plugins.Idna;

namespace Policyd.Plugins.Smtp;

/// <summary>
/// An address that mail can be sent to, in the forms that a callout needs of it. It comes from a stranger: what is accepted here goes into
/// an SMTP command and a DNS question, so that nothing is accepted that could end either.
/// </summary>
public sealed class SmtpAddress
{
    private const int MostCharacters = 320;
    private const string SixPrefix = "IPv6:";
    private static readonly SearchValues<char> s_notOfDomain = SearchValues.Create("<>@\"[]\\");
    private readonly string _local;

    private SmtpAddress(string local, string domain, IPAddress? literal)
    {
        _local = local;
        Domain = domain;
        Literal = literal;
    }

    /// <summary>The domain in ASCII (RFC 5890) and lower case; of an address literal, the literal.</summary>
    public string Domain { get; }

    /// <summary>The address of an address literal (<c>user@[192.0.2.1]</c>, RFC 5321, section 4.1.3); else null.</summary>
    public IPAddress? Literal { get; }

    /// <summary>Whether only a server with SMTPUTF8 (RFC 6531) takes it.</summary>
    public bool NeedsUtf8 => !Ascii.IsValid(_local);

    /// <summary>The name under which the address's OpenPGP key would be (RFC 7929, section 3); null for an address literal.</summary>
    public string? OpenPgpKeyName => Literal is null
        ? $"{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(_local)).AsSpan(0, 28))}._openpgpkey.{Domain}"
        : null;

    /// <summary>Reads an address as Postfix gives it to a policy server: without quotes around its local part.</summary>
    /// <param name="text">The text, from anywhere.</param>
    /// <returns>Null when no mail can be sent to it.</returns>
    public static SmtpAddress? Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var at = text.LastIndexOf('@');
        if (at < 1
            || text.Length > MostCharacters
            || text.EnumerateRunes().Any(static rune => Rune.IsControl(rune) || rune == Rune.ReplacementChar))
        {
            return null;
        }

        var domain = text[(at + 1)..];
        if (domain.StartsWith('['))
        {
            return ParseLiteral(domain) is { } literal ? new SmtpAddress(text[..at], literal.AddressFamily == AddressFamily.InterNetwork
                ? $"[{literal}]"
                : $"[{SixPrefix}{literal}]", literal) : null;
        }

        // What is mapped may have become any character of ASCII.
        return DomainText.ToAscii(domain) is { } ascii && DnsName.TryNormalize(ascii, out var normal)
            && !normal.AsSpan().ContainsAnyExceptInRange('!', '~') && !normal.AsSpan().ContainsAny(s_notOfDomain)
                ? new SmtpAddress(text[..at], normal, null)
                : null;
    }

    /// <summary>The address in the angle brackets of a command, its local part quoted where it must be (RFC 5321, section 4.1.2).</summary>
    public string Path => $"<{(IsDotString(_local) ? _local : Quoted(_local))}@{Domain}>";

    private static IPAddress? ParseLiteral(string domain)
    {
        if (!domain.EndsWith(']'))
        {
            return null;
        }

        var inside = domain[1..^1];
        var isSix = inside.StartsWith(SixPrefix, StringComparison.OrdinalIgnoreCase);
        var family = isSix ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork;
        inside = isSix ? inside[SixPrefix.Length..] : inside;
        return AddressText.TryParse(inside, out var address) && address.AddressFamily == family ? address : null;
    }

    private static bool IsDotString(string local)
    {
        var before = '.';
        foreach (var c in local)
        {
            if (!(char.IsAsciiLetterOrDigit(c)
                || c > '\x7f'
                || "!#$%&'*+-/=?^_`{|}~".Contains(c, StringComparison.Ordinal)
                || (c == '.' && before != '.')))
            {
                return false;
            }

            before = c;
        }

        return before != '.';
    }

    private static string Quoted(string local) =>
        $"\"{local.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"";
}
