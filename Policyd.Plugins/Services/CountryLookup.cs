using System.Net;
using Policyd.Plugins.GeoIp;
using Policyd.Plugins.LookupFiles;

namespace Policyd.Plugins.Services;

/// <summary>The countries of addresses, made by <see cref="FileServices.Countries"/>.</summary>
public sealed class CountryLookup
{
    private readonly IWatchedFile<ICountryDatabase> _database;

    internal CountryLookup(IWatchedFile<ICountryDatabase> database) => _database = database;

    /// <summary>The country of an address.</summary>
    /// <param name="address">The address.</param>
    /// <param name="country">Its two letters in upper case; null when the address is in none.</param>
    /// <returns>False when the database could not be read yet, so that nothing is known.</returns>
    public bool TryFind(IPAddress address, out string? country)
    {
        ArgumentNullException.ThrowIfNull(address);
        var database = _database.Current;
        country = database?.CountryOf(address);
        return database is not null;
    }
}
