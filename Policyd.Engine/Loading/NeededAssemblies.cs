using System.Reflection;

namespace Policyd.Engine.Loading;

/// <summary>
/// The assemblies that the plugins of a set need, directly and through others, and what keeps them from working: missing ones, versions
/// that the server does not have, and types and members that are not there.
/// </summary>
internal sealed class NeededAssemblies(PluginFiles files, ICollection<string> errors, ICollection<string> warnings) : IDisposable
{
    // An assembly of another version uses hundreds of things that are not there: the first ones tell as much.
    private const int MostTold = 5;

    private readonly Dictionary<string, AssemblyFile> _byName = new(StringComparer.OrdinalIgnoreCase);
    private readonly List<AssemblyFile> _opened = [];

    /// <summary>The set's own assemblies.</summary>
    public IReadOnlyCollection<AssemblyFile> Files => _byName.Values;

    /// <summary>Adds assemblies with all that they need.</summary>
    public void Add(IEnumerable<AssemblyFile> plugins)
    {
        var unseen = new Queue<AssemblyFile>();
        foreach (var plugin in plugins)
        {
            if (_byName.TryAdd(plugin.Name.Name!, plugin))
            {
                unseen.Enqueue(plugin);
            }
            else
            {
                errors.Add($"{plugin.Path}: is the same assembly as {_byName[plugin.Name.Name!].Path}: remove one of them");
            }
        }

        while (unseen.TryDequeue(out var file))
        {
            foreach (var reference in file.References)
            {
                if (Find(file, reference) is { } found)
                {
                    unseen.Enqueue(found);
                }
            }
        }
    }

    /// <summary>
    /// Looks for each type and member that they use. What a plugin does not find is an error. A library may never come to what it does not
    /// find: it was put together by others, and is only told.
    /// </summary>
    public void Check()
    {
        var check = new ReferenceCheck(_byName);
        foreach (var file in Files)
        {
            var told = file.KnowsPlugins ? errors : warnings;
            var missing = check.Missing(file).ToList();
            foreach (var one in missing.Take(MostTold))
            {
                told.Add($"{file.Path}: {one}");
            }

            if (missing.Count > MostTold)
            {
                told.Add($"{file.Path}: {missing.Count - MostTold} more of its types and members are not there");
            }
        }
    }

    public void Dispose() => _opened.ForEach(static file => file.Dispose());

    /// <summary>An assembly of the set that was not seen before; null when it is known, shared or not there.</summary>
    private AssemblyFile? Find(AssemblyFile by, AssemblyName reference)
    {
        var name = reference.Name!;
        if (SharedAssemblies.IsContract(name))
        {
            CheckContract(by, reference);
            return null;
        }

        if (_byName.TryGetValue(name, out var known))
        {
            CheckVersion(by, reference, known.Name, known.Path);
            return null;
        }

        var isFramework = SharedAssemblies.IsFramework(name);
        var own = SharedAssemblies.IsInternal(name) ? null : Open(reference);
        if (own is not null && !(isFramework && own.Name.Version <= SharedAssemblies.VersionOf(name)))
        {
            _byName.Add(name, own);
            CheckVersion(by, reference, own.Name, own.Path);
            return own;
        }

        if (!isFramework)
        {
            errors.Add(SharedAssemblies.IsInternal(name)
                ? $"{by.Path}: needs {name}, a part of the server that plugins must not use: build it with Policyd.Plugins alone"
                : $"{by.Path}: needs {name} {SharedAssemblies.Text(reference.Version)}, which is not in its folder: put {name}.dll there, "
                    + "or all that dotnet publish makes");
        }
        else if (reference.Version > SharedAssemblies.VersionOf(name))
        {
            errors.Add($"{by.Path}: was built for .NET {SharedAssemblies.Text(reference.Version)} ({name}), this server runs on "
                + $".NET {Environment.Version}: build it for .NET {Environment.Version.ToString(2)}, or give the server a newer .NET");
        }

        return null;
    }

    private AssemblyFile? Open(AssemblyName reference)
    {
        if (files.PathOf(reference) is not { } path)
        {
            return null;
        }

        try
        {
            var file = AssemblyFile.Read(path);
            _opened.Add(file);
            return file;
        }
        catch (PluginFileException e)
        {
            errors.Add(e.Message);
            return null;
        }
    }

    private void CheckContract(AssemblyFile by, AssemblyName reference)
    {
        var has = SharedAssemblies.VersionOf(reference.Name!);
        if (reference.Version > has)
        {
            var (name, built, here) = (reference.Name!, SharedAssemblies.Text(reference.Version), SharedAssemblies.Text(has));
            errors.Add($"{by.Path}: was built for {name} {built}, this server has {here}: install a server with {name} {built}, or rebuild "
                + $"the plugin with {name} {here}");
        }
    }

    private void CheckVersion(AssemblyFile by, AssemblyName reference, AssemblyName found, string path)
    {
        if (reference.Version > found.Version)
        {
            errors.Add($"{by.Path}: needs {reference.Name} {SharedAssemblies.Text(reference.Version)}, but {path} is "
                + $"{SharedAssemblies.Text(found.Version)}: put the newer one there");
        }
    }
}
