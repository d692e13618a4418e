using System.Reflection;
using System.Runtime.Loader;

namespace Policyd.Engine.Loading;

/// <summary>Where the files of a plugin set are: as its NAME.deps.json says, else beside its plugins.</summary>
/// <param name="folder">The folder of the plugins.</param>
/// <param name="plugins">The paths of the assemblies that have plugins.</param>
internal sealed class PluginFiles(string folder, IEnumerable<string> plugins)
{
    private readonly AssemblyDependencyResolver[] _resolvers =
        [.. plugins.Where(static path => File.Exists(Path.ChangeExtension(path, ".deps.json")))
            .Select(static path => new AssemblyDependencyResolver(path))];

    /// <summary>The file of an assembly; null when the set has none.</summary>
    public string? PathOf(AssemblyName assembly)
    {
        var beside = Path.Combine(folder, assembly.CultureName ?? "", assembly.Name + ".dll");
        return _resolvers.Select(one => one.ResolveAssemblyToPath(assembly)).FirstOrDefault(File.Exists)
            ?? (File.Exists(beside) ? beside : null);
    }

    /// <summary>The file of a native library; null when the set has none.</summary>
    public string? NativePathOf(string name) =>
        _resolvers.Select(one => one.ResolveUnmanagedDllToPath(name)).FirstOrDefault(File.Exists)
            ?? NativeNames(name).Select(file => Path.Combine(folder, file)).FirstOrDefault(File.Exists);

    /// <summary>The names that a file of a native library may have.</summary>
    public static IEnumerable<string> NativeNames(string name) => [name, $"lib{name}.so", $"{name}.so", $"lib{name}"];
}
