using System.Text.Json;
using Policyd.Configuration;
using Policyd.Configuration.Hocon;
using Policyd.Configuration.Sources;
using Policyd.Configuration.Tree;
using Xunit;

namespace Policyd.Tests.Configuration;

// What the specs of the configuration share: short ways to read, to look up, and to compare trees.
internal static class Trees
{
    public static ConfigDocument Hocon(string text, params (string Name, string Value)[] environment) =>
        HoconReader.Read(text, "test.hocon", Options(environment));

    public static ConfigurationReadOptions Options(params (string Name, string Value)[] environment) =>
        new() { Environment = name => environment.Where(entry => entry.Name == name).Select(entry => entry.Value).FirstOrDefault() };

    /// <summary>The tree as JSON, after checking that there was no error.</summary>
    public static string Json(this ConfigDocument document)
    {
        Assert.True(!document.Diagnostics.HasErrors, string.Join('\n', document.Diagnostics.All));
        return HoconWriter.WriteJson(document.Root);
    }

    public static string[] Messages(this ConfigDocument document) => [.. document.Diagnostics.All.Select(d => d.ToString())];

    public static string[] Errors(this ConfigDocument document) => [.. document.Diagnostics.Errors.Select(d => d.ToString())];

    /// <summary>The same JSON written the same way: no white space, strings escaped alike.</summary>
    public static string Normal(string json) => HoconWriter.WriteJson(FromJson(JsonDocument.Parse(json).RootElement));

    public static ConfigNode FromJson(JsonElement element)
    {
        var at = SourcePosition.WholeFile("json");
        return element.ValueKind switch
        {
            JsonValueKind.Object =>
                new ConfigObject(element.EnumerateObject().Select(p => new ConfigMember(p.Name, at, FromJson(p.Value))), at),
            JsonValueKind.Array => new ConfigArray([.. element.EnumerateArray().Select(FromJson)], at),
            JsonValueKind.String => new ConfigScalar(element.GetString()!, ScalarKind.String, at),
            JsonValueKind.Null => new ConfigScalar("null", ScalarKind.Null, at),
            JsonValueKind.Number => new ConfigScalar(element.GetRawText(), ScalarKind.Number, at),
            _ => new ConfigScalar(element.GetRawText(), ScalarKind.Boolean, at),
        };
    }
}
