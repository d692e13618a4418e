using System.Reflection;
using Policyd.Configuration.Options;

namespace Policyd.Engine.Loading;

/// <summary>
/// One or more assemblies with plugins and the dependencies that they share, apart from those of other sets. Loaded for as long as the
/// process lives: .NET gives the memory of code back only when nothing points to it any more, and a static field of a library may.
/// </summary>
internal sealed class PluginSet
{
    private PluginSet(string fingerprint, IReadOnlyList<(string File, Assembly Assembly)> plugins)
    {
        Fingerprint = fingerprint;
        Plugins = plugins;
    }

    /// <summary>Which files it was loaded from, and what was in them.</summary>
    public string Fingerprint { get; }

    /// <summary>The assemblies that may have plugins, each with its file.</summary>
    public IReadOnlyList<(string File, Assembly Assembly)> Plugins { get; }

    /// <summary>Loads a set, or takes the one that was loaded from the same files with the same content.</summary>
    /// <param name="name">What its log lines and exceptions call it.</param>
    /// <param name="folder">Where its dependencies are.</param>
    /// <param name="plugins">The assemblies with plugins.</param>
    /// <param name="loaded">The sets that were loaded before, by fingerprint; added to.</param>
    /// <param name="errors">What is wrong with it.</param>
    /// <param name="warnings">What may be wrong with its libraries.</param>
    /// <returns>The set; null when it cannot be used.</returns>
    public static PluginSet? Load(
        string name,
        string folder,
        IReadOnlyList<AssemblyFile> plugins,
        IDictionary<string, PluginSet> loaded,
        ICollection<string> errors,
        ICollection<string> warnings)
    {
        PluginFiles files;
        try
        {
            files = new PluginFiles(folder, plugins.Select(static plugin => plugin.Path));
        }
        catch (InvalidOperationException e)
        {
            errors.Add($"{plugins[0].Path}: its .deps.json cannot be read: {ConfigurationFault.Of(e)}");
            return null;
        }

        var before = errors.Count;
        var needed = new NeededAssemblies(files, errors, warnings);
        try
        {
            needed.Add(plugins);
            needed.Check();
            if (errors.Count > before)
            {
                return null;
            }

            var fingerprint = string.Join('\n', needed.Files.Select(static file => file.Fingerprint).Order(StringComparer.Ordinal));
            if (!loaded.TryGetValue(fingerprint, out var set))
            {
                loaded[fingerprint] = set = new PluginSet(fingerprint, Load(new PluginSetContext(name, files), needed.Files, plugins));
            }

            return set;
        }
        catch (ReflectionTypeLoadException e)
        {
            foreach (var message in e.LoaderExceptions.Select(static one => one?.Message).Distinct())
            {
                errors.Add($"{plugins[0].Path}: cannot be loaded: {message}");
            }
        }
        catch (Exception e)
        {
            errors.Add($"{plugins[0].Path}: cannot be loaded: {ConfigurationFault.Of(e)}");
        }
        finally
        {
            needed.Dispose();
        }

        return null;
    }

    private static List<(string File, Assembly Assembly)> Load(
        PluginSetContext context, IEnumerable<AssemblyFile> files, IReadOnlyCollection<AssemblyFile> plugins)
    {
        var assemblies = files.Select(file => (File: file, Assembly: context.Load(file))).ToList();

        // All types now: one that lacks a method of its interface shows here, not with the first mail.
        assemblies.ForEach(static one => one.Assembly.GetTypes());
        return [.. assemblies.Where(one => plugins.Contains(one.File)).Select(static one => (one.File.Path, one.Assembly))];
    }
}
