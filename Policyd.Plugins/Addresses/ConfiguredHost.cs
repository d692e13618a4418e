using Policyd.Plugins.Idna;

namespace Policyd.Plugins.Addresses;

/// <summary>A host that an operator names: an address, or a name that the system's resolver can be asked for.</summary>
internal static class ConfiguredHost
{
    /// <summary>
    /// Reads it: a name as the DNS has it, an address as it is. What can be neither would be a server that is away for ever, so it is told
    /// at the start.
    /// </summary>
    /// <param name="text">What is configured.</param>
    /// <param name="host">What to connect to.</param>
    /// <param name="error">What is wrong.</param>
    public static bool TryRead(string text, out string host, out string error)
    {
        error = "";
        if (!text.Contains("]:", StringComparison.Ordinal) && AddressText.TryParseConfigured(text, out var address))
        {
            host = address.ToString();
            return true;
        }

        host = DomainText.ToAscii(text) ?? "";
        if (Uri.CheckHostName(host) == UriHostNameType.Dns)
        {
            return true;
        }

        error = text.Length == 0 ? "the name of the host is empty" : $"\"{text}\" is not a valid host name or address{Hint(text)}";
        return false;
    }

    private static string Hint(string text) =>
        text is ['[', .., ']'] && TryRead(text[1..^1], out _, out _) ? "; write it without brackets"
        : text.LastIndexOf(':') is > 0 and var colon && ushort.TryParse(text.AsSpan(colon + 1), out _)
            && TryRead(text[..colon], out _, out _) ? "; the port is an option of its own, port"
        : "";
}
