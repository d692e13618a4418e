namespace Policyd.Bench.Servers;

/// <summary>Finds the servers and tools of the system; many of them lie in folders that are not on everybody's PATH.</summary>
public static class Programs
{
    /// <summary>
    /// The full path of a program on PATH, in the usual sbin folders or in <paramref name="alsoIn"/>; null when it is not there.
    /// </summary>
    public static string? Find(string name, params string[] alsoIn)
    {
        ArgumentNullException.ThrowIfNull(name);
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? string.Empty).Split(':')
            .Concat(["/usr/sbin", "/sbin", "/usr/local/sbin"])
            .Concat(alsoIn);
        return folders.Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
    }

    /// <summary>The full path of a program.</summary>
    /// <param name="package">The package of Debian that has it.</param>
    /// <exception cref="InvalidOperationException">It is not installed.</exception>
    public static string Require(string name, string package, params string[] alsoIn) =>
        Find(name, alsoIn) ?? throw new InvalidOperationException($"The program {name} is not installed (Debian: {package}).");
}
