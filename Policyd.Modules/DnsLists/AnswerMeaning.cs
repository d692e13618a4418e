using System.Net;

namespace Policyd.Modules.DnsLists;

// What an answer of a list means where the operator has not said it. A list that refuses a resolver answers so for every name: taken for
// listings, such answers reject all mail, or let all of it pass.
internal enum AnswerMeaning
{
    /// <summary>The name is listed.</summary>
    Listing,

    /// <summary>The list refuses the question, or whoever asks.</summary>
    Refusal,

    /// <summary>No list answers so: its domain has changed hands, or the resolver makes up answers.</summary>
    NoListAnswer,
}

// The codes that lists document for refusals.
internal sealed class AnswerCodes
{
    private readonly bool _isDnswl;
    private readonly bool _isSpamhaus;

    public AnswerCodes(string domain)
    {
        // A mirror, or a subscriber's own domain, has the list's name as a label, too.
        var labels = domain.Split('.');
        _isDnswl = labels.Contains("dnswl", StringComparer.OrdinalIgnoreCase);
        _isSpamhaus = labels.Contains("spamhaus", StringComparer.OrdinalIgnoreCase);
    }

    public AnswerMeaning MeaningOf(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        if (!address.TryWriteBytes(bytes, out var length) || length != 4 || bytes[0] != 127)
        {
            return AnswerMeaning.NoListAnswer;
        }

        var isRefusal = (bytes[1], bytes[2], bytes[3]) switch
        {
            // URIBL, SURBL: the question is refused. RFC 5782, section 2.1, wants no list to answer with the address of this host.
            (0, 0, 1) => true,

            // Spamhaus, Validity: 252 no such list, 254 asked by way of a public resolver, 255 asked too often.
            (255, 255, _) => true,

            // Spamhaus DBL: asked about an address, of which it knows none. 127.0.2.255 is the same of its ZRD.
            (0, 1, 255) => true,
            (0, 2, 255) => _isSpamhaus,

            // dnswl.org: asked too often. Elsewhere it may be a listing with all bits.
            (0, 0, 255) => _isDnswl,
            _ => false,
        };
        return isRefusal ? AnswerMeaning.Refusal : AnswerMeaning.Listing;
    }
}
