using System.Collections;

namespace Policyd.Bench.Compare;

/// <summary>Settings of the .NET runtime in this program's environment, which every server that it starts inherits.</summary>
public static class InheritedSettings
{
    private static readonly string[] OfTheRuntime = ["DOTNET_", "COMPlus_"];

    // Where the SDK is and how its commands talk; `dotnet run` sets some of them.
    private static readonly string[] OfTheCommand =
        [
            "DOTNET_CLI", "DOTNET_ROOT", "DOTNET_HOST_PATH", "DOTNET_NOLOGO", "DOTNET_MULTILEVEL_LOOKUP", "DOTNET_SKIP", "DOTNET_GENERATE",
            "DOTNET_LAUNCH"
        ];

    public static IReadOnlyDictionary<string, string> Read() => Choose(
        Environment.GetEnvironmentVariables()
            .Cast<DictionaryEntry>()
            .Select(entry => new KeyValuePair<string, string>((string)entry.Key, (string)entry.Value!)));

    /// <summary>Those variables that change how a server runs.</summary>
    public static IReadOnlyDictionary<string, string> Choose(IEnumerable<KeyValuePair<string, string>> variables) =>
        new SortedDictionary<string, string>(
            variables.Where(variable => StartsWithOne(variable.Key, OfTheRuntime) && !StartsWithOne(variable.Key, OfTheCommand))
                .ToDictionary(),
            StringComparer.Ordinal);

    private static bool StartsWithOne(string name, string[] prefixes) =>
        prefixes.Any(prefix => name.StartsWith(prefix, StringComparison.OrdinalIgnoreCase));
}
