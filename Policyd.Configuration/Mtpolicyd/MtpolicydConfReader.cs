using Policyd.Configuration.Sources;
using Policyd.Configuration.Tree;

namespace Policyd.Configuration.Mtpolicyd;

/// <summary>Reads mtpolicyd.conf as it is, into the tree that the same configuration in HOCON would give.</summary>
/// <remarks>It never throws for what it reads: a bad file gives diagnostics and the tree of what could be understood.</remarks>
public static class MtpolicydConfReader
{
    /// <summary>Reads a file with its includes.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">Bounds.</param>
    public static ConfigDocument ReadFile(string path, ConfigurationReadOptions? options = null)
    {
        var diagnostics = new DiagnosticBag();
        options ??= ConfigurationReadOptions.Default;
        return SourceText.Load(path, options.MaxBytes, diagnostics) is { } text
            ? Read(text, path, options, diagnostics)
            : new ConfigDocument(ConfigObject.Empty(SourcePosition.WholeFile(path)), ConfigFormat.Mtpolicyd, diagnostics);
    }

    /// <summary>Reads a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="file">The name for places; relative includes are looked for in its folder, then in the working folder.</param>
    /// <param name="options">Bounds.</param>
    public static ConfigDocument Read(string text, string file = "<text>", ConfigurationReadOptions? options = null) =>
        Read(text, file, options ?? ConfigurationReadOptions.Default, new DiagnosticBag());

    internal static ConfigDocument Read(string text, string file, ConfigurationReadOptions options, DiagnosticBag diagnostics)
    {
        var root = new ConfParser(options, diagnostics).Parse(text, file);
        return new ConfigDocument(new ConfNormalizer(diagnostics).Normalize(root), ConfigFormat.Mtpolicyd, diagnostics);
    }
}
