using System.Net;
using Policyd.Plugins.Api;
using Policyd.Plugins.GeoIp;
using Policyd.Plugins.LookupFiles;

namespace Policyd.Plugins.Testing;

/// <summary>Files that hold what a test says, whatever their path is. A plugin sees a change at once.</summary>
public sealed class FakeFiles : ILookupFiles, ICountryDatabases
{
    /// <summary>Whether no file can be read.</summary>
    public bool AreUnreadable { get; set; }

    /// <summary>What maps and files of Berkeley DB hold.</summary>
    public Dictionary<string, string> Entries { get; } = new(StringComparer.Ordinal);

    /// <summary>Which addresses are in which country; any other is in none.</summary>
    public Dictionary<IPAddress, string> Countries { get; } = [];

    /// <inheritdoc/>
    IWatchedFile<Dictionary<string, string>> ILookupFiles.PostfixMap(PluginSetup setup, string option, string name, string without) =>
        new Watched<Dictionary<string, string>>(this, Entries);

    /// <inheritdoc/>
    IWatchedFile<Dictionary<string, string>> ILookupFiles.BerkeleyDb(PluginSetup setup, string option, string path, string without) =>
        new Watched<Dictionary<string, string>>(this, Entries);

    /// <inheritdoc/>
    IWatchedFile<ICountryDatabase> ICountryDatabases.Open(PluginSetup setup, string option, string path, string without) =>
        new Watched<ICountryDatabase>(this, new CountryDatabase(Countries));

    private sealed class Watched<T>(FakeFiles files, T content) : IWatchedFile<T>
        where T : class
    {
        public T? Current => files.AreUnreadable ? null : content;
    }

    private sealed class CountryDatabase(Dictionary<IPAddress, string> countries) : ICountryDatabase
    {
        public string? CountryOf(IPAddress address) => countries.GetValueOrDefault(address);

        public void Dispose()
        {
        }
    }
}
