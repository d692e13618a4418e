using System.Globalization;
using System.Text;
using Policyd.Configuration.Values;
using Policyd.Modules.Addresses;
using Policyd.Plugins.Addresses;
using Policyd.Plugins.Api;
using Policyd.Plugins.Idna;
using Policyd.Protocol;

namespace Policyd.Modules;

/// <summary>
/// A counter's key made of attributes: <c>%{sasl_username}</c>, <c>%{sender_domain}</c> and <c>%{recipient_domain}</c> (what stands behind
/// the last <c>@</c>), <c>%{client_address/24/64}</c> (the network: bits of IPv4, bits of IPv6). Addresses and names of hosts are
/// lower-cased, and domains beyond ASCII are put as the DNS has them, so that one user is one key however he writes himself.
/// </summary>
public sealed class KeyTemplate : IOptionValue<KeyTemplate>
{
    private readonly string _text;
    private readonly IReadOnlyList<Part> _parts;

    private KeyTemplate(string text, IReadOnlyList<Part> parts)
    {
        _text = text;
        _parts = parts;
    }

    /// <inheritdoc/>
    public static bool TryParse(string text, out KeyTemplate? value, out string? error)
    {
        ArgumentNullException.ThrowIfNull(text);
        value = null;
        error = null;
        var parts = new List<Part>();
        for (var at = 0; at < text.Length;)
        {
            var open = text.IndexOf("%{", at, StringComparison.Ordinal);
            if (open < 0)
            {
                parts.Add(new Part(text[at..], null));
                break;
            }

            var close = text.IndexOf('}', open);
            if (close < 0)
            {
                error = $"\"{text}\": the %{{ has no closing brace";
                return false;
            }

            if (open > at)
            {
                parts.Add(new Part(text[at..open], null));
            }

            if (!Placeholder.TryParse(text[(open + 2)..close], out var placeholder, out error))
            {
                return false;
            }

            parts.Add(new Part(string.Empty, placeholder));
            at = close + 1;
        }

        if (parts.TrueForAll(part => part.Placeholder is null))
        {
            error = $"\"{text}\" has no %{{attribute}}, so all mail would have the same key";
            return false;
        }

        value = new KeyTemplate(text, parts);
        return true;
    }

    /// <summary>The key of a request; null when one of the attributes is absent or blank.</summary>
    /// <param name="request">The request.</param>
    public string? Fill(PolicyRequest request) => Fill(request, AddressTags.Kept);

    /// <summary>The key of a request, whose addresses are put without what is left out.</summary>
    /// <param name="request">The request.</param>
    /// <param name="tags">What is left out of addresses.</param>
    internal string? Fill(PolicyRequest request, AddressTags tags)
    {
        var key = new StringBuilder();
        foreach (var part in _parts)
        {
            var text = part.Placeholder is null ? part.Text : part.Placeholder.ValueOf(request, tags);
            if (part.Placeholder is not null && string.IsNullOrWhiteSpace(text))
            {
                return null;
            }

            key.Append(text);
        }

        return key.ToString();
    }

    /// <summary>
    /// The key where there is no template: an attribute's value as Postfix sent it, as mtpolicyd counts. Only a domain beyond ASCII is put
    /// as the DNS has it: who sends from it could else choose among many keys.
    /// </summary>
    internal static string? ValueOf(PolicyRequest request, string attribute, AddressTags tags)
    {
        var value = tags.Without(attribute, request[attribute]);
        var domain = (value?.LastIndexOf('@') ?? -1) + 1;
        return value is not null
            && !Ascii.IsValid(value.AsSpan(domain))
            && (domain > 0 ? Placeholder.IsAddress(attribute) : Placeholder.IsHost(attribute))
            ? string.Concat(value.AsSpan(0, domain), DomainText.Key(value[domain..]))
            : value;
    }

    /// <inheritdoc/>
    public override string ToString() => _text;

    private sealed record Part(string Text, Placeholder? Placeholder);

    private sealed record Placeholder(string Attribute, bool DomainOnly, int? Bits4, int? Bits6)
    {
        private static readonly string[] s_addresses = ["sender", "recipient", "sasl_username", "sasl_sender"];
        private static readonly string[] s_hosts = ["helo_name", "client_name", "reverse_client_name"];

        public static bool IsAddress(string attribute) => s_addresses.Contains(attribute);

        public static bool IsHost(string attribute) => s_hosts.Contains(attribute);

        public static bool TryParse(string text, out Placeholder? placeholder, out string? error)
        {
            placeholder = null;
            error = null;
            var pieces = text.Split('/');
            var name = pieces[0];
            if (name is "sender_domain" or "recipient_domain")
            {
                placeholder = new Placeholder(name[..^"_domain".Length], DomainOnly: true, null, null);
            }
            else
            {
                placeholder = new Placeholder(name, DomainOnly: false, Bits(pieces, 1, 32), Bits(pieces, 2, 128));
            }

            if (name.Length == 0 || name.Any(letter => !char.IsAsciiLetterOrDigit(letter) && letter != '_'))
            {
                error = $"\"%{{{text}}}\" contains no attribute name";
            }
            else if (pieces.Length > 1
                && (pieces.Length > 3 || placeholder.Bits4 is null || (pieces.Length == 3 && placeholder.Bits6 is null)))
            {
                error = $"\"%{{{text}}}\": write a network as /BITS or /BITS4/BITS6, at most 32 and 128";
            }

            else if (!placeholder.DomainOnly && !PolicyAttributes.TryFind(name, out _))
            {
                var known = Enumerable.Range(0, PolicyAttributes.Count).Select(index => PolicyAttributes.NameOf((PolicyAttribute)index));
                var close = Suggestion.For(name, [.. known, "sender_domain", "recipient_domain"]);
                error = $"a request has no attribute \"{name}\"{(close is null ? "" : $"; did you mean {close}?")}";
            }

            return error is null;
        }

        public string ValueOf(PolicyRequest request, AddressTags tags)
        {
            var value = tags.Without(Attribute, request[Attribute]) ?? string.Empty;
            if (DomainOnly)
            {
                var at = value.LastIndexOf('@');
                return at < 0 ? string.Empty : DomainText.Key(value[(at + 1)..]);
            }

            if (Bits4 is { } bits4)
            {
                return Network(value, bits4, Bits6 ?? 64);
            }

            return IsAddress(Attribute) ? DomainText.AddressKey(value) : IsHost(Attribute) ? DomainText.Key(value) : value;
        }

        private static int? Bits(string[] pieces, int index, int most) =>
            pieces.Length > index
                && !pieces[index].Contains('\0', StringComparison.Ordinal)
                && int.TryParse(pieces[index], NumberStyles.None, CultureInfo.InvariantCulture, out var bits)
                && bits <= most ? bits : null;

        private static string Network(string text, int bits4, int bits6)
        {
            if (ClientAddress.Parse(text) is not { } address)
            {
                return text;
            }

            var bits = address.IsIPv4() ? bits4 : bits6;
            return $"{address.Network(bits)}/{bits}";
        }
    }
}
