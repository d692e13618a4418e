using System.Net;
using MaxMind.Db;
using Policyd.Backends.LookupFiles;
using Policyd.Plugins.Api;
using Policyd.Plugins.GeoIp;
using Policyd.Plugins.LookupFiles;

namespace Policyd.Backends.GeoIp;

/// <summary>Opens a database by what is in it: MaxMind's present form (.mmdb), or the one before it (.dat).</summary>
internal static class CountryDatabase
{
    /// <exception cref="IOException">The file cannot be read, or is no database of countries.</exception>
    public static ICountryDatabase Open(string file)
    {
        var bytes = File.ReadAllBytes(file);
        if (bytes.AsSpan().LastIndexOf(MmdbCountries.Marker) >= 0)
        {
            return new MmdbCountries(bytes);
        }

        return LegacyCountries.TryRead(bytes) ?? throw new IOException("it is not a country database");
    }
}

/// <summary>The databases of countries of this server.</summary>
internal sealed class CountryDatabases : ICountryDatabases
{
    private static readonly TimeSpan s_betweenLooks = TimeSpan.FromSeconds(10);

    public IWatchedFile<ICountryDatabase> Open(PluginSetup setup, string option, string path, string without) =>
        ReloadedFile<ICountryDatabase>.For(setup, option, path, CountryDatabase.Open, s_betweenLooks, without);
}

/// <summary>A .mmdb file, by MaxMind's own reader.</summary>
internal sealed class MmdbCountries : ICountryDatabase
{
    // A database of countries names one in nearly each of its records.
    private const int MostLookedAt = 10_000;

    private readonly Reader _reader;

    /// <exception cref="IOException">It is damaged, or one of something else, such as of autonomous systems.</exception>
    public MmdbCountries(byte[] bytes)
    {
        bool knowsOne;
        try
        {
            _reader = new Reader(new MemoryStream(bytes, writable: false));
            knowsOne = _reader.FindAll<Dictionary<string, object>>().Take(MostLookedAt).Any(static node => CodeOf(node.Data) is not null);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // The reader has many exceptions for a file that is damaged somewhere.
            throw new IOException($"the country database is damaged: {e.Message}", e);
        }

        if (!knowsOne)
        {
            // Else it would be read, and know no country, without a word.
            throw new IOException($"it is not a country database: no record of this {_reader.Metadata.DatabaseType} has country.iso_code");
        }
    }

    /// <summary>What stands before the metadata of every such file.</summary>
    public static ReadOnlySpan<byte> Marker => [
        0xab, 0xcd, 0xef, (byte)'M', (byte)'a', (byte)'x', (byte)'M', (byte)'i', (byte)'n', (byte)'d', (byte)'.', (byte)'c', (byte)'o',
        (byte)'m'
    ];

    public string? CountryOf(IPAddress address)
    {
        try
        {
            return CodeOf(_reader.Find<Dictionary<string, object>>(address));
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return null;   // damaged just there
        }
    }

    public void Dispose() => _reader.Dispose();

    private static string? CodeOf(Dictionary<string, object>? record) =>
        record is not null
        && (record.GetValueOrDefault("country") ?? record.GetValueOrDefault("registered_country")) is IDictionary<string, object> country
        && country.TryGetValue("iso_code", out var code)
            ? code as string
            : null;
}
