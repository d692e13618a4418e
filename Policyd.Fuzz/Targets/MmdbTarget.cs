using System.Globalization;
using System.Net;
using Policyd.Backends.GeoIp;
using Policyd.Fuzz.Harness;

namespace Policyd.Fuzz.Targets;

/// <summary>
/// Country databases of MaxMind's present form (.mmdb), read by MaxMind's own reader. The sample is their test database. It is not part
/// of the repository and is looked for beside it.
/// </summary>
internal sealed class MmdbTarget() : FuzzTarget(
    "geoip-mmdb",
    "a damaged file is refused with an IOException or has countries, and no lookup throws",
    new AllocationBound(1024 * 1024, 64))
{
    private const string File = "shared/geoip/GeoLite2-Country-Test.mmdb";

    private static readonly IPAddress[] s_addresses =
    [
        .. ((string[])["2.125.160.216", "81.2.69.160", "89.160.20.112", "216.160.83.56", "2001:218::1", "2001:252::1", "2a02:ffc0::1",
            "127.0.0.1", "::ffff:81.2.69.160"]).Select(IPAddress.Parse),
    ];

    private readonly string? _path = Find();

    public override string? Missing => _path is null ? $"{File} is not above this program's folder" : null;

    public override IReadOnlyList<byte[]> Samples => [System.IO.File.ReadAllBytes(_path!)];

    public override IReadOnlyList<byte[]> Words { get; } =
        Texts.Words("country registered_country iso_code node_count record_size ip_version database_type metadata "
            + "binary_format_major_version");

    public override int LongestInput => 24 * 1024;

    public override Outcome Execute(byte[] input, Meter meter)
    {
        MmdbCountries database;
        try
        {
            database = meter.Run(() => new MmdbCountries(input));
        }
        catch (IOException refused)
        {
            return Outcome.Rejected(refused.Message);
        }

        using (database)
        {
            var found = meter.Run(() => string.Join(' ', s_addresses.Select(address => database.CountryOf(address) ?? "-")));
            Check.Same(found, string.Join(' ', s_addresses.Select(address => database.CountryOf(address) ?? "-")),
                "the countries, asked for again");
            return Outcome.Accepted(found);
        }
    }

    private static string? Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (Path.Combine(folder.FullName, File) is var path && System.IO.File.Exists(path))
            {
                return path;
            }
        }

        return null;
    }
}
