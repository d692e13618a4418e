using System.Text;
using Policyd.Plugins.Idna;

namespace Policyd.Modules.Spf;

// Names as a check needs them: texts whose characters are bytes, up to where a name is asked for. They are strangers', so each is looked at
// before it is.
internal static class SpfName
{
    private const int MaxLength = 253;
    private const int MaxLabel = 63;

    /// <summary>
    /// The domain of an identity. Letters beyond ASCII are encoded as the DNS has them (RFC 7208, section 4.3; RFC 8616, section 4), where
    /// they can be; else it is its bytes.
    /// </summary>
    public static string DomainOf(string identity, string bytes)
    {
        var domain = DomainText.DomainOf(identity);
        return Ascii.IsValid(domain) ? domain : DomainText.ToAscii(domain) ?? DomainText.DomainOf(bytes);
    }

    /// <summary>The HELO name as a macro has it: encoded where it can be, else its bytes.</summary>
    public static string HostOf(string helo, string bytes) => Ascii.IsValid(helo) ? bytes : DomainText.ToAscii(helo) ?? bytes;

    /// <summary>
    /// Whether a domain can have a policy: two labels at least, none empty or too long, and no address (RFC 7208, section 4.3).
    /// </summary>
    public static bool IsDomain(string domain)
    {
        var name = domain.AsSpan();
        name = name.EndsWith(".") ? name[..^1] : name;
        if (name.Length is 0 or > MaxLength || name[0] == '[')
        {
            return false;
        }

        foreach (var label in name.Split('.'))
        {
            if (name[label].Length is 0 or > MaxLabel)
            {
                return false;
            }
        }

        var dot = name.LastIndexOf('.');
        return dot > 0 && name[(dot + 1)..].ContainsAnyExceptInRange('0', '9');
    }

    /// <summary>
    /// What a domain-spec has become, without its first labels as long as it is too long for a name (RFC 7208, section 7.3).
    /// </summary>
    public static string Fit(string expanded)
    {
        var name = expanded.TrimEnd('.');
        if (name.Length <= MaxLength)
        {
            return name;
        }

        var dot = name.IndexOf('.', name.Length - MaxLength - 1);
        return dot < 0 ? "" : name[(dot + 1)..];
    }
}
