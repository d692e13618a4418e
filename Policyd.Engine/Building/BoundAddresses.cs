using System.Net;
using System.Net.Sockets;
using Policyd.Configuration.Tree;
using Policyd.Protocol;

namespace Policyd.Engine.Building;

// All addresses that the server is to listen on, each with the option that names it: of two that cannot both be bound a start would only
// say that one is in use, by whoever it may be.
internal sealed class BoundAddresses(DiagnosticBag diagnostics)
{
    private readonly List<Bound> _bound = [];

    /// <summary>An address of the policy protocol or of the admin commands.</summary>
    /// <param name="option">The option that names it.</param>
    /// <param name="place">Where.</param>
    /// <param name="endpoint">The address.</param>
    public void Add(string option, SourcePosition place, PolicyEndpoint endpoint)
    {
        if (endpoint.IsUnix)
        {
            Add(new Bound(option, place, endpoint.ToString(), Path.GetFullPath(endpoint.Path), null, 0, false));
            return;
        }

        var isAll = endpoint.Host == "*";
        var isLoopback = endpoint.Host.Equals("localhost", StringComparison.OrdinalIgnoreCase);
        var address = isAll ? IPAddress.IPv6Any : isLoopback ? IPAddress.Loopback : AddressOf(endpoint.Host);
        Add(new Bound(option, place, endpoint.ToString(), endpoint.Host.ToLowerInvariant(), address, endpoint.Port, isAll));
    }

    /// <summary>An address of HTTP or of the cluster. There <c>[::]</c> is every address of both families.</summary>
    /// <param name="option">The option that names it.</param>
    /// <param name="place">Where.</param>
    /// <param name="endpoint">The address.</param>
    public void Add(string option, SourcePosition place, IPEndPoint endpoint) => Add(
        new Bound(
            option,
            place,
            endpoint.ToString(),
            "",
            Plain(endpoint.Address),
            endpoint.Port,
            endpoint.Address.Equals(IPAddress.IPv6Any)));

    private void Add(Bound one)
    {
        if (_bound.Find(one.Excludes) is { } other)
        {
            var where = $"{other.Option} ({other.Place.RelativeTo(one.Place)})";
            diagnostics.Error(
                one.Place,
                one.Text == other.Text
                    ? $"{one.Option}: {where} has {one.Text} too; the server can listen there only once"
                    : $"{one.Option}: {one.Text} and {other.Text} of {where} cannot be had both, since they are the same address or one of "
                        + "them stands for all; change one of the ports, or leave one address out");
        }

        _bound.Add(one);
    }

    private static IPAddress? AddressOf(string host) => IPAddress.TryParse(host, out var address) ? Plain(address) : null;

    private static IPAddress Plain(IPAddress address) => address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;

    /// <param name="Option">The option that names it.</param>
    /// <param name="Place">Where.</param>
    /// <param name="Text">The address as it is configured.</param>
    /// <param name="Name">The whole path of a UNIX socket, or the name of the host.</param>
    /// <param name="Address">The address; null for a UNIX socket, and for a name that the start will look up.</param>
    /// <param name="Port">The port; 0: any free one.</param>
    /// <param name="IsAll">Whether it is every address of both families.</param>
    private sealed record Bound(
        string Option, SourcePosition Place, string Text, string Name, IPAddress? Address, int Port, bool IsAll)
    {
        private bool IsUnix => Address is null && Name.StartsWith('/');

        public bool Excludes(Bound other)
        {
            if (IsUnix || other.IsUnix)
            {
                return IsUnix && other.IsUnix && Name == other.Name;
            }

            if (Port != other.Port || Port == 0)
            {
                return false;
            }

            return Address is null || other.Address is null
                ? IsAll || other.IsAll || (Address is null && other.Address is null && Name == other.Name)
                : Contains(other) || other.Contains(this);
        }

        // Linux binds no address beside the one that stands for all of its family, in whichever order they come.
        private bool Contains(Bound other) =>
            IsAll
            || Address!.Equals(other.Address)
            || (Address.Equals(IPAddress.Any) && other.Address!.AddressFamily == AddressFamily.InterNetwork)
            || (Address.Equals(IPAddress.IPv6Any) && other.Address!.AddressFamily == AddressFamily.InterNetworkV6);
    }
}
