namespace Policyd.Configuration;

/// <summary>Writes a tree as HOCON for people, comments included; or as JSON, for a program.</summary>
public static class HoconWriter
{
    /// <summary>The tree as HOCON. Reading it gives the same tree.</summary>
    /// <param name="root">The tree.</param>
    public static string Write(ConfigObject root) => "";

    /// <summary>The tree as JSON on one line.</summary>
    /// <param name="node">The tree.</param>
    public static string WriteJson(ConfigNode node) => "";
}
