using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Policyd.Plugins.Addresses;

namespace Policyd.Modules.Spf;

/// <summary>The mechanisms of RFC 7208, section 5.</summary>
internal enum SpfMechanism
{
    All,
    Include,
    A,
    Mx,
    Ptr,
    Ip4,
    Ip6,
    Exists,
}

/// <summary>A directive: what matches, and what then is the result.</summary>
/// <param name="Verdict">Of its qualifier.</param>
/// <param name="Mechanism">What is compared.</param>
/// <param name="Domain">Its domain-spec; null: the present domain.</param>
/// <param name="Network">Of ip4 and ip6.</param>
/// <param name="Bits4">How many bits of an IPv4 address are compared.</param>
/// <param name="Bits6">How many bits of an IPv6 address are compared.</param>
/// <param name="Text">As it was written.</param>
internal sealed record SpfDirective(
    SpfVerdict Verdict, SpfMechanism Mechanism, SpfMacroString? Domain, IPAddress? Network, int Bits4, int Bits6, string Text);

/// <summary>A policy as its text says it. A text that does not fit the grammar anywhere is wrong as a whole (section 4.6).</summary>
internal sealed record SpfRecord(IReadOnlyList<SpfDirective> Directives, SpfMacroString? Redirect, SpfMacroString? Explanation)
{
    /// <summary>
    /// How long a record may be, in bytes. The RFC wants 450 (section 3.4); the longest that are met have some four thousand.
    /// </summary>
    public const int MostLength = 8192;

    private const string Version = "v=spf1";

    /// <summary>Whether a TXT record is a policy at all.</summary>
    public static bool IsPolicy(string text) =>
        text.StartsWith(Version, StringComparison.OrdinalIgnoreCase) && (text.Length == Version.Length || text[Version.Length] == ' ');

    /// <exception cref="SpfSyntaxException">The text does not fit the grammar.</exception>
    public static SpfRecord Parse(string text)
    {
        if (text.Length > MostLength)
        {
            throw new SpfSyntaxException($"it is longer than {MostLength} bytes");
        }

        if (SpfMacroString.Macros(text) > SpfMacroString.MostMacros)
        {
            throw new SpfSyntaxException($"it has more than {SpfMacroString.MostMacros} macros");
        }

        var directives = new List<SpfDirective>();
        SpfMacroString? redirect = null;
        SpfMacroString? explanation = null;
        foreach (var term in text[Version.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            var sign = term.IndexOf('=', StringComparison.Ordinal);
            if (sign < 0 || !IsModifierName(term.AsSpan(0, sign)))
            {
                directives.Add(Directive(term));
                continue;
            }

            var value = term[(sign + 1)..];
            switch (term[..sign].ToUpperInvariant())
            {
                case "REDIRECT":
                    redirect = redirect is null
                        ? SpfMacroString.ParseDomain(value)
                        : throw new SpfSyntaxException("redirect= occurs twice");
                    break;
                case "EXP":
                    explanation = explanation is null
                        ? SpfMacroString.ParseDomain(value)
                        : throw new SpfSyntaxException("exp= occurs twice");
                    break;
                default:
                    SpfMacroString.Parse(value);   // an unknown one is left alone, but must fit
                    break;
            }
        }

        return new SpfRecord(directives, redirect, explanation);
    }

    private static SpfDirective Directive(string term)
    {
        var verdict = term[0] switch
        {
            '-' => SpfVerdict.Fail,
            '~' => SpfVerdict.SoftFail,
            '?' => SpfVerdict.Neutral,
            _ => SpfVerdict.Pass,
        };
        var text = term[0] is '-' or '~' or '?' or '+' ? term[1..] : term;
        var end = text.AsSpan().IndexOfAny(':', '/');
        var name = end < 0 ? text : text[..end];
        var rest = end < 0 ? "" : text[end..];
        switch (name.ToUpperInvariant())
        {
            case "ALL" when rest.Length == 0:
                return new SpfDirective(verdict, SpfMechanism.All, null, null, 0, 0, term);
            case "INCLUDE" when rest.StartsWith(':'):
                return new SpfDirective(verdict, SpfMechanism.Include, SpfMacroString.ParseDomain(rest[1..]), null, 0, 0, term);
            case "EXISTS" when rest.StartsWith(':'):
                return new SpfDirective(verdict, SpfMechanism.Exists, SpfMacroString.ParseDomain(rest[1..]), null, 0, 0, term);
            case "PTR" when rest.Length == 0 || rest.StartsWith(':'):
                return new SpfDirective(
                    verdict, SpfMechanism.Ptr, rest.Length == 0 ? null : SpfMacroString.ParseDomain(rest[1..]), null, 0, 0, term);
            case "A" or "MX":
                return Addresses(verdict, name.Length == 1 ? SpfMechanism.A : SpfMechanism.Mx, rest, term);
            case "IP4" when rest.StartsWith(':'):
                return Network(verdict, SpfMechanism.Ip4, AddressFamily.InterNetwork, rest[1..], term);
            case "IP6" when rest.StartsWith(':'):
                return Network(verdict, SpfMechanism.Ip6, AddressFamily.InterNetworkV6, rest[1..], term);
            default:
                throw new SpfSyntaxException($"\"{term}\" is not a mechanism");
        }
    }

    private static SpfDirective Addresses(SpfVerdict verdict, SpfMechanism mechanism, string rest, string term)
    {
        var bits6 = TakeBits(ref rest, "//", 128, term);
        var bits4 = TakeBits(ref rest, "/", 32, term);
        if (rest.Length > 0 && !rest.StartsWith(':'))
        {
            throw new SpfSyntaxException($"\"{term}\" is not a mechanism");
        }

        return new SpfDirective(
            verdict, mechanism, rest.Length == 0 ? null : SpfMacroString.ParseDomain(rest[1..]), null, bits4, bits6, term);
    }

    private static SpfDirective Network(SpfVerdict verdict, SpfMechanism mechanism, AddressFamily family, string address, string term)
    {
        var bits = TakeBits(ref address, "/", family == AddressFamily.InterNetwork ? 32 : 128, term);
        return AddressText.TryParse(address, out var network) && network.AddressFamily == family
            ? new SpfDirective(verdict, mechanism, null, network, bits, bits, term)
            : throw new SpfSyntaxException($"\"{term}\" contains no valid address");
    }

    // A term is a stranger's, and a record may have thousands: these look once at each character and make nothing.
    private static bool IsModifierName(ReadOnlySpan<char> name)
    {
        foreach (var c in name)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('.' or '_' or '-'))
            {
                return false;
            }
        }

        return name.Length > 0 && char.IsAsciiLetter(name[0]);
    }

    // The length of a prefix behind its sign at the end of a text, which is taken off; all bits where there is none.
    private static int TakeBits(ref string text, string sign, int most, string term)
    {
        var at = text.LastIndexOf(sign, StringComparison.Ordinal);
        if (at < 0 || text.AsSpan(at + sign.Length).ContainsAnyExceptInRange('0', '9'))
        {
            return most;
        }

        var digits = text.AsSpan(at + sign.Length);
        var bits = digits.Length is 0 or > 3 || (digits.Length > 1 && digits[0] == '0')
            ? int.MaxValue
            : int.Parse(digits, CultureInfo.InvariantCulture);
        text = text[..at];
        return bits <= most ? bits : throw new SpfSyntaxException($"\"{term}\" has an invalid prefix length");
    }
}
