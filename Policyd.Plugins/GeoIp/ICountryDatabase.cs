using System.Net;
using Policyd.Plugins.Api;
using Policyd.Plugins.LookupFiles;

namespace Policyd.Plugins.GeoIp;

/// <summary>Tells the country of an address.</summary>
internal interface ICountryDatabase : IDisposable
{
    /// <summary>The country's two letters in upper case; null when the address is in none.</summary>
    string? CountryOf(IPAddress address);
}

/// <summary>Opens databases of countries for plugins.</summary>
internal interface ICountryDatabases
{
    /// <summary>
    /// The database in a file: MaxMind's present form (.mmdb), or the one before it (.dat). A file that cannot be read is a warning, and is
    /// tried again.
    /// </summary>
    /// <param name="setup">The plugin's setup.</param>
    /// <param name="option">The option that names the file.</param>
    /// <param name="path">The file.</param>
    /// <param name="without">What it means for mail that the file cannot be read.</param>
    IWatchedFile<ICountryDatabase> Open(PluginSetup setup, string option, string path, string without);
}
