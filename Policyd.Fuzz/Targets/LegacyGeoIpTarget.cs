using System.Globalization;
using System.Net;
using Policyd.Backends.GeoIp;
using Policyd.Fuzz.Harness;

namespace Policyd.Fuzz.Targets;

/// <summary>Country databases of MaxMind's former form (GeoIP.dat), made here.</summary>
internal sealed class LegacyGeoIpTarget() : FuzzTarget(
    "geoip-legacy",
    "the countries of addresses are those of a plain walk down the tree, or both refuse the file",
    new AllocationBound(16 * 1024, 16))
{
    private const int FirstCountry = 16_776_960;

    // By their index: none, AP, EU, AD, AE and so on.
    private const int Countries = 256;

    private static readonly IPAddress[] s_addresses =
    [
        .. ((string[])["0.0.0.0", "10.1.2.3", "127.255.255.255", "128.0.0.1", "192.0.2.1", "255.255.255.255", "2001:db8::1", "::",
            "ffff::", "::ffff:10.1.2.3"]).Select(IPAddress.Parse),
    ];

    public override IReadOnlyList<byte[]> Samples { get; } =
    [
        File(mark: [0xff, 0xff, 0xff, 1], (0u, 1, 76), (0x0a000000u, 8, 57), (0xc0000200, 24, 225)),
        File(mark: [0xff, 0xff, 0xff, 106], (0x80000000, 1, 3)),
        File(mark: [.. "GEO-106FREE"u8, 0xff, 0xff, 0xff, 12], (0x20010000u, 16, 57), (0u, 3, 254)),
    ];

    public override IReadOnlyList<byte[]> Words { get; } =
        [[0, 0xff, 0xff], [1, 0xff, 0xff], [0xff, 0xff, 0xff], [0xfe, 0xff, 0xff], [0xff, 0xff, 0xff, 12], [0xff, 0xff, 0xff, 2],
        [0, 0, 0], [1, 0, 0]];

    public override Outcome Execute(byte[] input, Meter meter)
    {
        var read = meter.Run(() => LegacyCountries.TryRead(input) is { } database
            ? string.Join(' ', s_addresses.Select(address => database.CountryOf(address) ?? "-"))
            : null);
        Check.Same(Plain(input) ?? "(refused)", read ?? "(refused)", "the countries");
        return read is null ? Outcome.Rejected("no tree of countries") : Outcome.Accepted(read);
    }

    private static string? Plain(byte[] file)
    {
        var tail = file.Length > 64 ? file[^64..] : file;
        var mark = Enumerable.Range(0, Math.Max(0, tail.Length - 2)).LastOrDefault(at =>
            tail[at] == 255 && tail[at + 1] == 255 && tail[at + 2] == 255, -1);
        var kind = mark >= 0 && mark + 3 < tail.Length ? tail[mark + 3] : 1;
        kind = kind >= 106 ? kind - 105 : kind;
        var reached = new HashSet<int>();
        if (kind is not (1 or 12) || file.Length < 6 || !IsSound(file, 0, reached, new HashSet<int>()) || !reached.Any(static country =>
            country > 0))
        {
            return null;
        }

        return string.Join(' ', s_addresses.Select(address => CountryOf(file, address, isV6: kind == 12)));
    }

    // Every number that is reached is a node or a country.
    private static bool IsSound(byte[] file, int root, HashSet<int> countries, HashSet<int> seen)
    {
        var left = new Queue<int>([root]);
        while (left.TryDequeue(out var node))
        {
            if (6 * (node + 1) > file.Length)
            {
                return false;
            }

            foreach (var next in (int[])[Number(file, 2 * node), Number(file, (2 * node) + 1)])
            {
                if (next >= FirstCountry)
                {
                    countries.Add(next - FirstCountry);
                    if (next - FirstCountry >= Countries)
                    {
                        return false;
                    }
                }
                else if (seen.Add(next))
                {
                    left.Enqueue(next);
                }
            }
        }

        return true;
    }

    private static string CountryOf(byte[] file, IPAddress address, bool isV6)
    {
        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        var bits = string.Concat((isV6 ? plain.MapToIPv6() : plain).GetAddressBytes().Select(static octet =>
            Convert.ToString(octet, 2).PadLeft(8, '0')));
        if (bits.Length != (isV6 ? 128 : 32))
        {
            return "-";
        }

        var node = 0;
        foreach (var bit in bits)
        {
            node = Number(file, (2 * node) + (bit - '0'));
            if (node >= FirstCountry)
            {
                return CodeOf(node - FirstCountry);
            }
        }

        return "-";
    }

    // The names are a table of the product: asked for through a tree of one node.
    private static string CodeOf(int country) =>
        LegacyCountries.TryRead([.. Bytes(FirstCountry + country), .. Bytes(FirstCountry + country), 0xff, 0xff, 0xff, 1])?.CountryOf(
            IPAddress.Any) ?? "-";

    private static int Number(byte[] file, int index)
    {
        var at = 3 * index;
        return file[at] + (file[at + 1] * 256) + (file[at + 2] * 65536);
    }

    private static byte[] Bytes(int number) => [(byte)number, (byte)(number >> 8), (byte)(number >> 16)];

    // A tree of networks: the first bits of an address, how many, and the country.
    private static byte[] File(byte[] mark, params ReadOnlySpan<(uint Network, int Bits, int Country)> networks)
    {
        var nodes = new List<int[]> { new[] { FirstCountry, FirstCountry } };
        foreach (var (network, bits, country) in networks)
        {
            var node = 0;
            for (var bit = 0; bit < bits - 1; bit++)
            {
                var side = (int)(network >> (31 - bit) & 1);
                if (nodes[node][side] >= FirstCountry)
                {
                    nodes.Add([nodes[node][side], nodes[node][side]]);
                    nodes[node][side] = nodes.Count - 1;
                }

                node = nodes[node][side];
            }

            nodes[node][(int)(network >> (32 - bits) & 1)] = FirstCountry + country;
        }

        return [.. nodes.SelectMany(static node => node).SelectMany(Bytes), .. mark];
    }
}
