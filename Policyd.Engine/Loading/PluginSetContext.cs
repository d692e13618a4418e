using System.Reflection;
using System.Runtime.Loader;

namespace Policyd.Engine.Loading;

/// <summary>
/// Where the assemblies of one plugin set live: its own dependencies, whatever versions other sets or the server have. What it does not
/// have, and neither contract nor .NET has, is an error: the runtime would else take the server's without a word.
/// </summary>
internal sealed class PluginSetContext(string name, PluginFiles files) : AssemblyLoadContext(name)
{
    private readonly Dictionary<string, Assembly> _loaded = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Loads an assembly that has been read already.</summary>
    public Assembly Load(AssemblyFile file)
    {
        var assembly = file.LoadInto(this);
        _loaded[file.Name.Name!] = assembly;
        return assembly;
    }

    protected override Assembly? Load(AssemblyName assemblyName)
    {
        ArgumentNullException.ThrowIfNull(assemblyName);
        var name = assemblyName.Name!;
        lock (_loaded)
        {
            if (_loaded.TryGetValue(name, out var own) && string.IsNullOrEmpty(assemblyName.CultureName))
            {
                return own;
            }

            // Nobody refers to it: asked for by its name at run time, or a translation.
            if (!SharedAssemblies.IsContract(name) && files.PathOf(assemblyName) is { } path)
            {
                using var file = AssemblyFile.Read(path);
                return string.IsNullOrEmpty(assemblyName.CultureName) ? Load(file) : file.LoadInto(this);
            }
        }

        return SharedAssemblies.IsContract(name) || SharedAssemblies.IsFramework(name) || !string.IsNullOrEmpty(assemblyName.CultureName)
            ? null
            : throw new FileNotFoundException($"the plugin set {Name} needs {name}, which is not in its folder", name);
    }

    protected override nint LoadUnmanagedDll(string unmanagedDllName)
    {
        if (files.NativePathOf(unmanagedDllName) is { } path)
        {
            return LoadUnmanagedDllFromPath(path);
        }

        return PluginFiles.NativeNames(unmanagedDllName).Any(static name => File.Exists(Path.Combine(AppContext.BaseDirectory, name)))
            ? throw new DllNotFoundException(
                $"the plugin set {Name} needs the native library {unmanagedDllName}, which is not in its folder")
            : 0;
    }
}
