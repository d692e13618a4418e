using Policyd.Configuration.Tree;

namespace Policyd.Engine.Loading;

/// <summary>
/// Loads the plugins of third parties from a folder: each assembly in it that knows our API is a plugin set of its own, and so is each
/// folder in it.
/// </summary>
/// <param name="place">Where the folder is configured.</param>
/// <param name="diagnostics">What is wrong is added to these.</param>
/// <param name="loaded">The sets that were loaded before, by fingerprint; added to.</param>
internal sealed class PluginFolder(SourcePosition place, DiagnosticBag diagnostics, IDictionary<string, PluginSet> loaded)
{
    private readonly List<string> _errors = [];
    private readonly List<string> _warnings = [];
    private readonly List<PluginSet> _sets = [];

    /// <summary>The plugin sets of a folder; each that cannot be used is an error, and hinders no other.</summary>
    /// <param name="folder">The folder.</param>
    public IReadOnlyList<PluginSet> Load(string folder)
    {
        try
        {
            LoadEach(Path.GetFullPath(folder));
        }
        catch (DirectoryNotFoundException)
        {
            _errors.Add(File.Exists(folder) ? $"{folder} is a file, not a folder" : $"the folder {folder} does not exist");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _errors.Add($"the folder {folder} cannot be read: {e.Message}");
        }

        foreach (var error in _errors.Distinct())
        {
            diagnostics.Error(place, $"plugin_folder: {error}");
        }

        foreach (var warning in _warnings.Distinct())
        {
            diagnostics.Warning(place, $"plugin_folder: {warning}");
        }

        return _sets;
    }

    private void LoadEach(string folder)
    {
        foreach (var plugin in Plugins(folder))
        {
            using (plugin)
            {
                Add(Path.GetFileNameWithoutExtension(plugin.Path), folder, [plugin]);
            }
        }

        foreach (var one in Directory.EnumerateDirectories(folder).Order(StringComparer.Ordinal))
        {
            var name = Path.GetFileName(one);
            if (name.EndsWith(".dll", StringComparison.OrdinalIgnoreCase))
            {
                _errors.Add($"{one}: is a folder, not an assembly");
            }
            else if (name[0] != '.' && name != "runtimes")
            {
                LoadSet(one, name);
            }
        }
    }

    private void LoadSet(string folder, string name)
    {
        var before = _errors.Count;
        var plugins = Plugins(folder);
        if (plugins.Count > 0)
        {
            Add(name, folder, plugins);
        }
        else if (_errors.Count == before
            && Assemblies(folder).Any(static path => !path.EndsWith(".resources.dll", StringComparison.Ordinal)))
        {
            _warnings.Add($"{folder}: none of its assemblies was built with Policyd.Plugins, so it has no plugin");
        }

        plugins.ForEach(static plugin => plugin.Dispose());
    }

    private void Add(string name, string folder, IReadOnlyList<AssemblyFile> plugins)
    {
        if (PluginSet.Load(name, folder, plugins, loaded, _errors, _warnings) is { } set)
        {
            _sets.Add(set);
        }
    }

    private static IEnumerable<string> Assemblies(string folder) =>
        Directory.EnumerateFiles(folder, "*.dll").Order(StringComparer.Ordinal);

    /// <summary>The assemblies of a folder that may have plugins. The server's own, which a build copies beside them, have none.</summary>
    private List<AssemblyFile> Plugins(string folder)
    {
        var plugins = new List<AssemblyFile>();
        foreach (var path in Assemblies(folder))
        {
            try
            {
                var file = AssemblyFile.Read(path);
                var name = file.Name.Name!;
                if (file.KnowsPlugins && !SharedAssemblies.IsContract(name) && !SharedAssemblies.IsInternal(name))
                {
                    plugins.Add(file);
                }
                else
                {
                    file.Dispose();
                }
            }
            catch (PluginFileException e)
            {
                _errors.Add(e.Message);
            }
        }

        return plugins;
    }
}
