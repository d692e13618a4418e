using System.Collections.Frozen;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Loader;

namespace Policyd.Engine.Loading;

/// <summary>
/// The assemblies that a plugin takes from the server: those whose types go to and fro between both, and those of .NET. Nothing else, or a
/// plugin would work with one server by chance and fail with the next.
/// </summary>
internal static class SharedAssemblies
{
    private static readonly FrozenSet<string> s_contract = new[]
    {
        "Policyd.Protocol", "Policyd.Configuration", "Policyd.Plugins", "Microsoft.Extensions.Logging.Abstractions",
        "Microsoft.Extensions.DependencyInjection.Abstractions",
    }.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    private static readonly FrozenSet<string> s_internals = new[]
    {
        "Policyd.Counting", "Policyd.Backends", "Policyd.Modules", "Policyd.Engine", "Policyd.Actors", "policyd",
    }.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    /// <summary>Whether plugin and server must have the same one.</summary>
    public static bool IsContract(string name) => s_contract.Contains(name);

    /// <summary>Whether it is a part of the server that no plugin may use.</summary>
    public static bool IsInternal(string name) => s_internals.Contains(name);

    /// <summary>Whether .NET itself has it: the framework that the server runs on, not what lies beside the server.</summary>
    public static bool IsFramework(string name) => File.Exists(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), name + ".dll"));

    /// <summary>The server's own one of a contract's or a framework's assembly.</summary>
    public static Assembly Load(string name) => AssemblyLoadContext.Default.LoadFromAssemblyName(new AssemblyName(name));

    /// <summary>The version of the server's own one.</summary>
    public static Version VersionOf(string name) => Load(name).GetName().Version ?? new Version();

    /// <summary>A version as people write it: without zeros at its end, but with two parts.</summary>
    public static string Text(Version? version) => version switch
    {
        null => "0.0",
        { Revision: > 0 } => version.ToString(),
        { Build: > 0 } => version.ToString(3),
        _ => version.ToString(2),
    };
}
