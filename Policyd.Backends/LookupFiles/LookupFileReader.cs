using Policyd.Plugins.Api;
using Policyd.Plugins.LookupFiles;

namespace Policyd.Backends.LookupFiles;

/// <summary>The lookup files of this server.</summary>
internal sealed class LookupFileReader : ILookupFiles
{
    public IWatchedFile<Dictionary<string, string>>? PostfixMap(PluginSetup setup, string option, string name, string without)
    {
        if (LookupFiles.PostfixMap.Of(name, setup.ResolvePath, out var error) is not { } map)
        {
            setup.Error(option, error);
            return null;
        }

        return LookupFile.Open(setup, option, map.Path, map.Read, without);
    }

    public IWatchedFile<Dictionary<string, string>> BerkeleyDb(PluginSetup setup, string option, string path, string without) =>
        LookupFile.Open(setup, option, path, BerkeleyDbFile.Read, without);
}
