using System.Diagnostics.CodeAnalysis;

namespace Policyd.Plugins.Dns;

// What can be asked for: RFC 1035, section 2.3.4. Names come from strangers, so what does not fit is refused before it is sent.
internal static class DnsName
{
    public const int MaxLength = 253;
    public const int MaxLabel = 63;

    /// <summary>The name in lower case and without a dot at its end: the form in which answers are kept. No copy when it is that already.</summary>
    public static bool TryNormalize(string name, [NotNullWhen(true)] out string? normal)
    {
        normal = null;
        var length = name.EndsWith('.') ? name.Length - 1 : name.Length;
        if (length is 0 or > MaxLength)
        {
            return false;
        }

        var label = 0;
        var lower = true;
        foreach (var c in name.AsSpan(0, length))
        {
            if (c == '.')
            {
                if (label == 0)
                {
                    return false;
                }

                label = 0;
                continue;
            }

            // A backslash would be an escape in a zone file; nothing that is asked for needs one.
            if (c is <= ' ' or >= '\x7f' or '\\' || ++label > MaxLabel)
            {
                return false;
            }

            lower &= !char.IsAsciiLetterUpper(c);
        }

        if (label == 0)
        {
            return false;
        }

        normal = lower && length == name.Length ? name : name[..length].ToLowerInvariant();
        return true;
    }
}
