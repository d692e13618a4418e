using System.Globalization;
using System.Text;
using System.Text.Json;
using Policyd.Configuration;
using Policyd.Configuration.Hocon;
using Policyd.Configuration.Sources;
using Policyd.Configuration.Tree;
using Policyd.Configuration.Values;
using Policyd.Fuzz.Harness;

namespace Policyd.Fuzz.Targets;

/// <summary>What the two languages of configurations share: their tree as text, and the checks that hold for any tree.</summary>
internal static class Trees
{
    /// <summary>A file in a folder that does not exist, so that no include finds anything.</summary>
    public const string File = "/nonexistent/policyd-fuzz/policyd.hocon";

    // Of what is written here. A tree that substitutions made is deeper than its text.
    private const int Deepest = 1000;

    private static readonly Dictionary<string, string> s_environment = new(StringComparer.Ordinal)
    {
        ["HOME"] = "/home/x",
        ["PATHS.0"] = "a",
        ["PATHS.1"] = "b",
        ["PATHS_0"] = "a",
        ["PATHS_1"] = "b",
    };

    public static ConfigurationReadOptions Options { get; } = new()
    {
        Environment = s_environment.GetValueOrDefault,
        MaxIncludeDepth = 0,
        MaxNodes = 2000,
        MaxBytes = 64 * 1024,
    };

    public static void CheckMessages(ConfigDocument document)
    {
        foreach (var diagnostic in document.Diagnostics.All)
        {
            Check.That(!diagnostic.Message.Any(char.IsControl), $"a message holds a control character: {Check.Shown(diagnostic.Message)}");
        }
    }

    /// <summary>What a reader of configurations came to; a tree that it took is held against itself, written and read again.</summary>
    public static Outcome OutcomeOf(ConfigDocument document, Meter meter)
    {
        if (document.Diagnostics.HasErrors)
        {
            return Outcome.Rejected(document.Diagnostics.Errors.First().Message);
        }

        CheckWritten(document.Root, meter);
        return Outcome.Accepted(ShapeOf(document.Root));
    }

    /// <summary>A tree is the same when it has been written and read, in both forms.</summary>
    private static void CheckWritten(ConfigObject root, Meter meter)
    {
        var tree = Of(root);
        var hocon = meter.Run(() => HoconWriter.Write(root));
        CheckAgain(tree, hocon, "the tree, written as HOCON");
        var json = meter.Run(() => HoconWriter.WriteJson(root));
        CheckAgain(tree, json, "the tree, written as JSON");
        Check.Same(tree, OfJson(Encoding.UTF8.GetBytes(json), Deepest) ?? "(no JSON)", "the tree's JSON, read by System.Text.Json");
    }

    private static void CheckAgain(string tree, string text, string what)
    {
        var again = HoconReader.Read(text, File, Options with { MaxNodes = 1_000_000, MaxBytes = 16 * 1024 * 1024, MaxDepth = Deepest });
        Check.That(!again.Diagnostics.HasErrors, $"{what}, is refused: {again.Diagnostics.Errors.FirstOrDefault()} in {Check.Shown(text)}");
        Check.Same(tree, Of(again.Root), what);
    }

    public static string Of(ConfigNode node)
    {
        var text = new StringBuilder();
        Append(text, node);
        return text.ToString();
    }

    /// <summary>Which kinds of values there are, and roughly how many: new shapes are new ground for the harness.</summary>
    private static string ShapeOf(ConfigNode root)
    {
        var tree = Of(root);
        string Size(char c) => new('+', (int)Math.Log2(1 + tree.Count(one => one == c)));
        return $"objects {Size('{')} arrays {Size('[')} values {Size('=')}";
    }

    /// <summary>
    /// The tree of a JSON object in the same text; null when it is none, when a key stands twice, which HOCON merges, and when it is
    /// so deep that the readers of configurations refuse it.
    /// </summary>
    public static string? OfJson(byte[] utf8) => OfJson(utf8, Options.MaxDepth - 1);

    private static string? OfJson(byte[] utf8, int deepest)
    {
        try
        {
            using var document = StrictJson.Parse(utf8, new JsonDocumentOptions { MaxDepth = Deepest, AllowDuplicateProperties = false });
            var text = new StringBuilder();
            Append(text, document.RootElement);
            var root = document.RootElement;
            return root.ValueKind == JsonValueKind.Object && Depth(root) <= deepest ? text.ToString() : null;
        }
        catch (JsonException)
        {
            return null;
        }
        catch (InvalidOperationException)
        {
            // The check for duplicate names throws it for a name with a lone surrogate, which is no JSON.
            return null;
        }
    }

    private static int Depth(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => 1 + element.EnumerateObject().Select(static member => Depth(member.Value)).DefaultIfEmpty().Max(),
        JsonValueKind.Array => 1 + element.EnumerateArray().Select(Depth).DefaultIfEmpty().Max(),
        _ => 0,
    };

    private static void Append(StringBuilder text, ConfigNode node)
    {
        switch (node)
        {
            case ConfigObject source:
                text.Append('{');
                foreach (var member in source.Members.OrderBy(static member => member.Key, StringComparer.Ordinal))
                {
                    AppendText(text, member.Key).Append('=');
                    Append(text, member.Value);
                }

                text.Append('}');
                break;
            case ConfigArray array:
                text.Append('[');
                foreach (var item in array.Items)
                {
                    Append(text, item);
                    text.Append(',');
                }

                text.Append(']');
                break;
            case ConfigScalar scalar:
                _ = scalar.Kind == ScalarKind.String ? AppendText(text, scalar.Text) : text.Append(scalar.IsNull ? "null" : scalar.Text);
                break;
        }
    }

    private static void Append(StringBuilder text, JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                text.Append('{');
                foreach (var member in element.EnumerateObject().OrderBy(static member => member.Name, StringComparer.Ordinal))
                {
                    AppendText(text, member.Name).Append('=');
                    Append(text, member.Value);
                }

                text.Append('}');
                break;
            case JsonValueKind.Array:
                text.Append('[');
                foreach (var item in element.EnumerateArray())
                {
                    Append(text, item);
                    text.Append(',');
                }

                text.Append(']');
                break;
            case JsonValueKind.String:
                AppendText(text, element.GetString()!);
                break;
            default:
                text.Append(element.GetRawText());
                break;
        }
    }

    private static StringBuilder AppendText(StringBuilder text, string value) =>
        text.Append(CultureInfo.InvariantCulture, $"{value.Length}\"{value}\"");
}
