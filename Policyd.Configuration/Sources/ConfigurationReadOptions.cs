namespace Policyd.Configuration.Sources;

/// <summary>Bounds and surroundings of a reader. The defaults are right for a server; a test sets its own environment.</summary>
public sealed record ConfigurationReadOptions
{
    /// <summary>The defaults.</summary>
    public static ConfigurationReadOptions Default { get; } = new();

    /// <summary>Looks up an environment variable for a substitution; null when it is not set.</summary>
    public Func<string, string?> Environment { get; init; } = System.Environment.GetEnvironmentVariable;

    /// <summary>How deep objects, arrays and substitutions may nest. The reader recurses, so this bounds its stack.</summary>
    public int MaxDepth { get; init; } = 200;

    /// <summary>How many values the resolved tree may hold: ends a file of substitutions that double each other.</summary>
    public int MaxNodes { get; init; } = 250_000;

    /// <summary>How large a file (or a text made by joining) may be, in bytes (characters).</summary>
    public int MaxBytes { get; init; } = 16 * 1024 * 1024;

    /// <summary>How deep files may include each other.</summary>
    public int MaxIncludeDepth { get; init; } = 32;
}
