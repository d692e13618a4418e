using System.Net;
using Policyd.Plugins.Addresses;
using Policyd.Plugins.GeoIp;

namespace Policyd.Backends.GeoIp;

/// <summary>
/// MaxMind's former form of a country database (GeoIP.dat, GeoIPv6.dat), as Debian's package geoip-database has it: a binary tree over the
/// bits of an address, two numbers of three bytes a node. A number at or above the beginning of the countries is a leaf: the index of a
/// country.
/// </summary>
internal sealed class LegacyCountries : ICountryDatabase
{
    private const int FirstCountry = 16_776_960;
    private const int Country = 1;
    private const int CountryV6 = 12;
    private const int NodeBytes = 6;

    // The countries by their index, two letters each; the first is none.
    private const string Codes =
        "--APEUADAEAFAGAIALAMCWAOAQARASATAUAWAZBABBBDBEBFBGBHBIBJBMBNBOBR"
        + "BSBTBVBWBYBZCACCCDCFCGCHCICKCLCMCNCOCRCUCVCXCYCZDEDJDKDMDODZECEE"
        + "EGEHERESETFIFJFKFMFOFRSXGAGBGDGEGFGHGIGLGMGNGPGQGRGSGTGUGWGYHKHM"
        + "HNHRHTHUIDIEILINIOIQIRISITJMJOJPKEKGKHKIKMKNKPKRKWKYKZLALBLCLILK"
        + "LRLSLTLULVLYMAMCMDMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZNANCNENFNG"
        + "NINLNONPNRNUNZOMPAPEPFPGPHPKPLPMPNPRPSPTPWPYQARERORURWSASBSCSDSE"
        + "SGSHSISJSKSLSMSNSOSRSTSVSYSZTCTDTFTGTHTJTKTMTNTOTLTRTTTVTWTZUAUG"
        + "UMUSUYUZVAVCVEVGVIVNVUWFWSYEYTRSZAZMMEZWA1A2O1AXGGIMJEBLMFBQSSO1";

    private readonly byte[] _tree;
    private readonly bool _isV6;

    private LegacyCountries(byte[] tree, bool isV6)
    {
        _tree = tree;
        _isV6 = isV6;
    }

    /// <summary>
    /// Null when the bytes are no such database. Its kind stands behind three bytes of ones near the end; a file without them is one of
    /// countries.
    /// </summary>
    public static LegacyCountries? TryRead(byte[] bytes)
    {
        if (bytes.Length < NodeBytes)
        {
            return null;
        }

        var tail = bytes.AsSpan(Math.Max(0, bytes.Length - 64));
        var mark = tail.LastIndexOf((ReadOnlySpan<byte>)[0xff, 0xff, 0xff]);
        var kind = mark >= 0 && mark + 3 < tail.Length ? tail[mark + 3] : (byte)Country;
        kind = kind >= 106 ? (byte)(kind - 105) : kind;
        return kind is Country or CountryV6 && IsTreeOfCountries(bytes) ? new LegacyCountries(bytes, isV6: kind == CountryV6) : null;
    }

    public string? CountryOf(IPAddress address)
    {
        var plain = address.Plain();
        if (plain.IsIPv4() == _isV6)
        {
            if (!_isV6)
            {
                return null;
            }

            plain = plain.MapToIPv6();
        }

        var node = 0;
        foreach (var octet in plain.GetAddressBytes())
        {
            for (var bit = 7; bit >= 0; bit--)
            {
                node = NumberAt(_tree, (node * NodeBytes) + ((octet >> bit & 1) == 0 ? 0 : 3));
                if (node >= FirstCountry)
                {
                    return CodeOf(node - FirstCountry);
                }
            }
        }

        return null;
    }

    public void Dispose()
    {
    }

    /// <summary>
    /// Whether each number that can be reached is a node of the file or a country, and one of them is a country. A file may lack all that
    /// names its kind, so that else any text in its place would be read, and know no country.
    /// </summary>
    private static bool IsTreeOfCountries(byte[] bytes)
    {
        var nodes = bytes.Length / NodeBytes;
        var seen = new bool[nodes];
        var waiting = new Stack<int>([0]);
        var knowsOne = false;
        while (waiting.TryPop(out var node))
        {
            for (var at = node * NodeBytes; at < (node + 1) * NodeBytes; at += 3)
            {
                var next = NumberAt(bytes, at);
                if (next >= FirstCountry ? next - FirstCountry >= Codes.Length / 2 : next >= nodes)
                {
                    return false;
                }

                knowsOne |= next > FirstCountry;
                if (next < FirstCountry && !seen[next])
                {
                    seen[next] = true;
                    waiting.Push(next);
                }
            }
        }

        return knowsOne;
    }

    private static int NumberAt(byte[] bytes, int at) => bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16;

    private static string? CodeOf(int index) => index > 0 && 2 * index < Codes.Length ? Codes.Substring(2 * index, 2) : null;
}
