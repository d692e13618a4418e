using Policyd.Configuration.Sources;
using Policyd.Configuration.Tree;

namespace Policyd.Configuration.Hocon;

/// <summary>
/// Reads HOCON to the Lightbend specification (https://github.com/lightbend/config/blob/main/HOCON.md) into a tree that knows its places.
/// </summary>
/// <remarks>It never throws for what it reads: a bad file gives diagnostics and the tree of what could be understood.</remarks>
public static class HoconReader
{
    /// <summary>Reads a file with its includes.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">Bounds and environment.</param>
    public static ConfigDocument ReadFile(string path, ConfigurationReadOptions? options = null)
    {
        var diagnostics = new DiagnosticBag();
        options ??= ConfigurationReadOptions.Default;
        return SourceText.Load(path, options.MaxBytes, diagnostics) is { } text
            ? Read(text, path, options, diagnostics)
            : new ConfigDocument(ConfigObject.Empty(SourcePosition.WholeFile(path)), ConfigFormat.Hocon, diagnostics);
    }

    /// <summary>Reads a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="file">The name for places; relative includes are looked for in its folder.</param>
    /// <param name="options">Bounds and environment.</param>
    public static ConfigDocument Read(string text, string file = "<text>", ConfigurationReadOptions? options = null) =>
        Read(text, file, options ?? ConfigurationReadOptions.Default, new DiagnosticBag());

    internal static ConfigDocument Read(string text, string file, ConfigurationReadOptions options, DiagnosticBag diagnostics)
    {
        var root = new HoconObjectLiteral(new SourcePosition(file, 1, 1));
        new HoconParseContext(options, diagnostics).Parse(text, file, root, HoconScope.Document(root));
        return new ConfigDocument(new HoconResolver(root, options, diagnostics).Resolve(), ConfigFormat.Hocon, diagnostics);
    }
}
