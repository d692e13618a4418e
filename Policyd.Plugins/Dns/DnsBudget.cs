using System.Net;
using Policyd.Plugins.Addresses;

namespace Policyd.Plugins.Dns;

/// <summary>
/// What one request may ask of the network for names that strangers chose: the sender's domain, and all that its records lead to. One
/// object lives as long as the request, <see cref="Api.PluginContext.Lookups"/>. Answers from the cache and of questions that are already
/// under way cost nothing.
/// </summary>
public sealed class DnsBudget
{
    /// <summary>How many of a request's lookups may be under way at a time.</summary>
    public const int MostUnderWay = 32;

    /// <summary>How many lookups a request may send: more than the two SPF checks of a mail ever need within the RFC's limits.</summary>
    public const int Most = 300;

    private const int NetworkBytes4 = 3;
    private const int NetworkBytes6 = 6;

    private readonly Lock _lock = new();
    private int _underWay;
    private int _sent;

    /// <summary>A request of nobody in particular.</summary>
    public DnsBudget()
        : this(null)
    {
    }

    /// <summary>A request of a client: those of its network, the first 24 bits of IPv4 or 48 of IPv6, have a bound together.</summary>
    /// <param name="client">The client's address; null: unknown.</param>
    public DnsBudget(IPAddress? client)
    {
        var address = client?.Plain();
        Client = address is null
            ? ""
            : Convert.ToHexString(address.GetAddressBytes().AsSpan(0, address.IsIPv4() ? NetworkBytes4 : NetworkBytes6));
    }

    /// <summary>The client's network.</summary>
    internal string Client { get; }

    /// <summary>How many lookups the request has sent.</summary>
    public int Sent => Volatile.Read(ref _sent);

    internal bool TryTake()
    {
        lock (_lock)
        {
            if (_underWay >= MostUnderWay || _sent >= Most)
            {
                return false;
            }

            _underWay++;
            _sent++;
            return true;
        }
    }

    internal void GiveBack()
    {
        lock (_lock)
        {
            _underWay--;
        }
    }
}
