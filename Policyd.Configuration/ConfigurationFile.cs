using System.Text.RegularExpressions;
using Policyd.Configuration.Hocon;
using Policyd.Configuration.Mtpolicyd;
using Policyd.Configuration.Sources;
using Policyd.Configuration.Tree;

namespace Policyd.Configuration;

/// <summary>Reads a configuration file in whichever of the two languages it is written.</summary>
/// <remarks>
/// The rule: <c>.hocon</c> and <c>.json</c> are HOCON. Of any other file, the first line decides that only one of the languages has: a line
/// that begins with <c>&lt;</c> makes it an mtpolicyd.conf, a line with a key and an opening bracket (or a bracket alone) makes it HOCON.
/// When there is no such line it is HOCON.
/// </remarks>
public static partial class ConfigurationFile
{
    /// <summary>Reads a file. Never throws for a bad or absent one: what is wrong stands in the document's diagnostics.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">Bounds and environment.</param>
    public static ConfigDocument Read(string path, ConfigurationReadOptions? options = null)
    {
        var diagnostics = new DiagnosticBag();
        options ??= ConfigurationReadOptions.Default;
        if (SourceText.Load(path, options.MaxBytes, diagnostics) is not { } text)
        {
            return new ConfigDocument(ConfigObject.Empty(SourcePosition.WholeFile(path)), ConfigFormat.Hocon, diagnostics);
        }

        return FormatOf(path, text) == ConfigFormat.Mtpolicyd
            ? MtpolicydConfReader.Read(text, path, options, diagnostics)
            : HoconReader.Read(text, path, options, diagnostics);
    }

    /// <summary>The language of a text, by the rule of this class.</summary>
    /// <param name="path">Its file; only the extension counts.</param>
    /// <param name="text">The text.</param>
    public static ConfigFormat FormatOf(string path, string text)
    {
        if (Path.GetExtension(path).ToLowerInvariant() is ".hocon" or ".json")
        {
            return ConfigFormat.Hocon;
        }

        foreach (var raw in text.AsSpan().EnumerateLines())
        {
            var line = raw.TrimStart();
            if (line.StartsWith("<"))
            {
                return ConfigFormat.Mtpolicyd;
            }

            if (OnlyHocon().IsMatch(line))
            {
                return ConfigFormat.Hocon;
            }
        }

        return ConfigFormat.Hocon;
    }

    [GeneratedRegex("""^[\w."-]*\s*[=:]?\s*[\{\[]""", RegexOptions.CultureInvariant)]
    private static partial Regex OnlyHocon();
}
