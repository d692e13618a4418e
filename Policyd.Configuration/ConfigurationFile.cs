namespace Policyd.Configuration;

/// <summary>Reads a configuration file in whichever of the two languages it is written.</summary>
public static class ConfigurationFile
{
    /// <summary>Reads a file. Never throws for a bad or absent one: what is wrong stands in the document's diagnostics.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">Bounds and environment.</param>
    public static ConfigDocument Read(string path, ConfigurationReadOptions? options = null) => HoconReader.ReadFile(path, options);
}
