using Policyd.Plugins.Api;
using Policyd.Plugins.GeoIp;
using Policyd.Plugins.LookupFiles;

namespace Policyd.Plugins.Services;

/// <summary>
/// How a plugin looks things up in files that other programs rewrite, in <see cref="Plugin.Initialize"/>. A file that cannot be read is a
/// warning at the option's place, and is tried again while the server runs.
/// </summary>
public static class FileServices
{
    /// <summary>
    /// A map by its name as in Postfix's main.cf: <c>hash:FILE</c>, <c>btree:FILE</c>, <c>lmdb:FILE</c>, <c>texthash:FILE</c>, or the file
    /// alone. An error at the option's place when maps of that type cannot be read.
    /// </summary>
    /// <param name="setup">The plugin's.</param>
    /// <param name="option">The option that names the map.</param>
    /// <param name="name">The map's name; a relative path counts from the configuration file's folder.</param>
    /// <param name="without">A sentence for the warning: what it means for mail that the file cannot be read.</param>
    /// <returns>The map; null after an error, with which the server does not start.</returns>
    public static IWatchedFile<IReadOnlyDictionary<string, string>>? PostfixMap(
        this PluginSetup setup, string option, string name, string without)
    {
        ArgumentNullException.ThrowIfNull(setup);
        CheckPath(setup, option, name);
        return setup.Service<ILookupFiles>().PostfixMap(setup, option, name, without);
    }

    /// <summary>A file of Berkeley DB. Each byte of its keys and values is one character (Latin-1).</summary>
    /// <param name="setup">The plugin's.</param>
    /// <param name="option">The option that names the file.</param>
    /// <param name="path">The file; a relative path counts from the configuration file's folder.</param>
    /// <param name="without">A sentence for the warning: what it means for mail that the file cannot be read.</param>
    public static IWatchedFile<IReadOnlyDictionary<string, string>> BerkeleyDb(
        this PluginSetup setup, string option, string path, string without)
    {
        ArgumentNullException.ThrowIfNull(setup);
        CheckPath(setup, option, path);
        return setup.Service<ILookupFiles>().BerkeleyDb(setup, option, setup.ResolvePath(path), without);
    }

    /// <summary>The countries of addresses in a database of MaxMind: <c>.mmdb</c>, or <c>.dat</c>, the form before it.</summary>
    /// <param name="setup">The plugin's.</param>
    /// <param name="option">The option that names the file.</param>
    /// <param name="path">The file; a relative path counts from the configuration file's folder.</param>
    /// <param name="without">A sentence for the warning: what it means for mail that the file cannot be read.</param>
    public static CountryLookup Countries(this PluginSetup setup, string option, string path, string without)
    {
        ArgumentNullException.ThrowIfNull(setup);
        CheckPath(setup, option, path);
        return new CountryLookup(setup.Service<ICountryDatabases>().Open(setup, option, setup.ResolvePath(path), without));
    }

    private static void CheckPath(PluginSetup setup, string option, string? path)
    {
        if (path is { Length: 0 })
        {
            setup.Error(option, "the path is empty");   // it would be the folder of the configuration file
        }
        else if (path?.Contains('\0', StringComparison.Ordinal) == true)
        {
            setup.Error(option, "the path contains a zero character");
        }
    }
}
