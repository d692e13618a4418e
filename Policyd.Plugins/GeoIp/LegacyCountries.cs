using System.Net;
using Policyd.Plugins.Addresses;

namespace Policyd.Plugins.GeoIp;

/// <summary>
/// MaxMind's former form of a country database (GeoIP.dat, GeoIPv6.dat), as Debian's package geoip-database has it: a binary tree over the bits of
/// an address, two numbers of three bytes a node. A number at or above the beginning of the countries is a leaf: the index of a country.
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

    /// <summary>Null when the bytes are no such database. Its kind stands behind three bytes of ones near the end; a file without them is one of countries.</summary>
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
        return kind switch
        {
            Country => new LegacyCountries(bytes, isV6: false),
            CountryV6 => new LegacyCountries(bytes, isV6: true),
            _ => null,
        };
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
                var at = ((long)node * NodeBytes) + ((octet >> bit & 1) == 0 ? 0 : 3);
                if (at + 3 > _tree.Length)
                {
                    return null;   // a damaged file: no leaf is there
                }

                node = _tree[at] | _tree[at + 1] << 8 | _tree[at + 2] << 16;
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

    private static string? CodeOf(int index) => index > 0 && 2 * index < Codes.Length ? Codes.Substring(2 * index, 2) : null;
}
