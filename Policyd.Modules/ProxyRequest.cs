using System.Globalization;
using System.Text;
using Policyd.Protocol;

namespace Policyd.Modules;

/// <summary>
/// What Proxy sends on: the request as it came, and how many Proxies it has passed. Two servers that ask each other, or one that asks
/// itself, would make requests without end; the number is in the request because nothing else goes round with it. A client may send any
/// number: too high a one costs its own request, too low a one a few requests more.
/// </summary>
public static class ProxyRequest
{
    /// <summary>The attribute. Policy servers pass over what they do not know (Postfix's SMTPD_POLICY_README).</summary>
    public const string HopsAttribute = "policyd_proxy_hops";

    /// <summary>How many Proxies a request may pass. One is usual, two are seen.</summary>
    public const int MostHops = 5;

    private static readonly byte[] s_start = Encoding.ASCII.GetBytes(HopsAttribute + "=");

    /// <summary>
    /// What the request's session is known by: its instance. One that has passed Proxies has a session of its own for each: requests of one
    /// session wait for each other, and it would wait for the very request that a Proxy of this server sends it for.
    /// </summary>
    /// <param name="request">The request.</param>
    public static string SessionOf(PolicyRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        return request.Instance is { Length: > 0 } instance && HopsOf(request) is > 0 and var hops
            ? string.Create(CultureInfo.InvariantCulture, $"{instance} {HopsAttribute}={hops}")
            : request.Instance;
    }

    /// <summary>
    /// How many Proxies the request has passed; none when the attribute is absent, as many as there may be when it is no such number.
    /// </summary>
    /// <param name="request">The request.</param>
    public static int HopsOf(PolicyRequest request) =>
        request[HopsAttribute] is not { } text ? 0
        : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var hops) && hops < MostHops ? hops : MostHops;

    /// <summary>The bytes to send: the attributes as they came, the hops with one more, an empty line.</summary>
    /// <param name="request">The request.</param>
    /// <param name="hops">How many Proxies it has passed.</param>
    public static byte[] Next(PolicyRequest request, int hops)
    {
        var bytes = request.Bytes.Span;
        var next = new List<byte>(bytes.Length + s_start.Length + 8);
        var lines = new RequestLines(bytes);
        while (lines.MoveNext())
        {
            if (!lines.Line.StartsWith(s_start))
            {
                next.AddRange(lines.Line);
                next.Add((byte)'\n');
            }
        }

        next.AddRange(s_start);
        next.AddRange(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{hops + 1}\n\n")));
        return [.. next];
    }
}
