using Policyd.Plugins.Api;

namespace Policyd.Plugins.LookupFiles;

/// <summary>
/// Opens files of keys and values for plugins. A file that cannot be read is a warning at the option's place, and is tried again while the
/// server runs.
/// </summary>
internal interface ILookupFiles
{
    /// <summary>
    /// A map by its name as in Postfix's main.cf: <c>hash:FILE</c>, <c>btree:FILE</c>, <c>lmdb:FILE</c>, <c>texthash:FILE</c>, or the file
    /// alone.
    /// </summary>
    /// <param name="setup">The plugin's setup.</param>
    /// <param name="option">The option that names the map.</param>
    /// <param name="name">The map's name.</param>
    /// <param name="without">What it means for mail that the file cannot be read.</param>
    /// <returns>The map; null, and an error at the option's place, when maps of that type cannot be read.</returns>
    IWatchedFile<Dictionary<string, string>>? PostfixMap(PluginSetup setup, string option, string name, string without);

    /// <summary>A file of Berkeley DB. Each byte of its keys and values is one character (Latin-1).</summary>
    /// <param name="setup">The plugin's setup.</param>
    /// <param name="option">The option that names the file.</param>
    /// <param name="path">The file.</param>
    /// <param name="without">What it means for mail that the file cannot be read.</param>
    IWatchedFile<Dictionary<string, string>> BerkeleyDb(PluginSetup setup, string option, string path, string without);
}
