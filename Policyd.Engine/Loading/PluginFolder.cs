using System.Reflection;
using System.Runtime.Loader;
using Policyd.Configuration.Options;
using Policyd.Plugins.Api;

namespace Policyd.Engine.Loading;

/// <summary>Loads third-party plugins: every assembly of a folder that has plugin classes, each with the dependencies beside it.</summary>
public static class PluginFolder
{
    /// <summary>Adds the modules of a folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="modules">The modules so far.</param>
    /// <param name="errors">What could not be loaded, in words for the operator.</param>
    public static ModuleRegistry Load(string folder, ModuleRegistry modules, ICollection<string> errors)
    {
        if (!Directory.Exists(folder))
        {
            errors.Add($"the folder {folder} does not exist");
            return modules;
        }

        foreach (var path in Directory.EnumerateFiles(folder, "*.dll").Order(StringComparer.Ordinal))
        {
            try
            {
                modules = modules.With(TypesOf(Path.GetFullPath(path)));
            }
            catch (Exception e)
            {
                errors.Add($"{path}: {Reason(e)}");
            }
        }

        return modules;
    }

    private static IEnumerable<Type> TypesOf(string path)
    {
        // A library that lies beside a plugin has no plugin in it, unless it knows our assembly; without opening it as a plugin we cannot
        // tell, so each file is opened in a context of its own, which is cheap.
        var assembly = new Context(path).LoadFromAssemblyPath(path);
        return assembly.GetReferencedAssemblies().Any(name => name.Name == typeof(Plugin).Assembly.GetName().Name)
            ? [.. ModuleRegistry.PluginTypes(assembly)]
            : [];
    }

    private static string Reason(Exception e) => e switch
    {
        BadImageFormatException => "is not a .NET assembly that this server can load",
        ReflectionTypeLoadException load => $"cannot be loaded: {load.LoaderExceptions.FirstOrDefault()?.Message}",
        FileNotFoundException missing => $"needs {missing.FileName}, which is not in the same folder",
        _ => ConfigurationFault.Of(e),
    };

    // What the server itself has comes from the server, so that a plugin's Plugin is our Plugin; the rest from the plugin's folder.
    private sealed class Context(string path) : AssemblyLoadContext(Path.GetFileName(path))
    {
        private readonly AssemblyDependencyResolver _resolver = new(path);

        protected override Assembly? Load(AssemblyName assemblyName)
        {
            if (IsShared(assemblyName))
            {
                return null;
            }

            var file = _resolver.ResolveAssemblyToPath(assemblyName)
                ?? Path.Combine(Path.GetDirectoryName(path)!, assemblyName.Name + ".dll");
            return File.Exists(file) ? LoadFromAssemblyPath(file) : null;
        }

        protected override nint LoadUnmanagedDll(string unmanagedDllName) =>
            _resolver.ResolveUnmanagedDllToPath(unmanagedDllName) is { } file ? LoadUnmanagedDllFromPath(file) : 0;

        private static bool IsShared(AssemblyName name) => name.Name is { } text
            && (text.StartsWith("Policyd.", StringComparison.Ordinal) && Default.Assemblies.Any(loaded => loaded.GetName().Name == text)
                || text.StartsWith("Microsoft.Extensions.Logging.Abstractions", StringComparison.Ordinal)
                || text.StartsWith("Microsoft.Extensions.DependencyInjection.Abstractions", StringComparison.Ordinal));
    }
}
