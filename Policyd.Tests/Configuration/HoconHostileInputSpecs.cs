using System.Diagnostics;
using System.Text;
using System.Text.Json;
using CsCheck;
using Policyd.Configuration;
using Policyd.Configuration.Hocon;
using Policyd.Configuration.Mtpolicyd;
using Policyd.Configuration.Tree;
using Xunit;

namespace Policyd.Tests.Configuration;

// Input that nobody writes on purpose, and some that somebody does: the reader answers with a tree and diagnostics, in bounded time.
public sealed class HoconHostileInputSpecs
{
    private static readonly JsonSerializerOptions s_indented = new() { WriteIndented = true };

    private static readonly Gen<string> s_text = Gen.Char["abc0 .\"\\\n\t{}$é😀/#=+\u0001\u2028"].Array[0, 8].Select(
        c => new string(c).Replace("\uD83D", "").Replace("\uDE00", ""));

    private static readonly Gen<object?> s_json = Gen.Recursive<object?>((depth, inner) => depth > 3 ? Leaf() : Gen.Frequency(
        (3, Leaf()),
        (1, inner.Array[0, 4].Select(items => (object?)items)),
        (1, Gen.Dictionary(s_text, inner)[0, 4].Select(members => (object?)members))));

    private static Gen<string> PiecesOf(params string[] pieces) => Gen.Int[0, pieces.Length - 1].Select(i => pieces[i]);

    private static Gen<object?> Leaf() => Gen.OneOf(
        s_text.Select(text => (object?)text), Gen.Int.Select(n => (object?)n), Gen.Double[-1e20, 1e20].Select(n => (object?)n),
        Gen.Bool.Select(b => (object?)b), Gen.Const((object?)null));

    [Fact]
    public void Json_is_read_as_a_json_reader_reads_it() =>
        Gen.Dictionary(s_text, s_json)[0, 5].Select(Gen.Bool).Sample((document, indented) =>
        {
            var json = JsonSerializer.Serialize(document, indented ? s_indented : JsonSerializerOptions.Default);
            Assert.Equal(Trees.Normal(json), HoconReader.Read(json).Json());
        }, iter: 2000);

    [Fact]
    public void Written_tree_is_read_as_the_same_tree() =>
        Gen.Dictionary(s_text, s_json)[0, 5].Sample(document =>
        {
            var tree = (ConfigObject)Trees.FromJson(JsonSerializer.SerializeToElement(document));
            Assert.Equal(HoconWriter.WriteJson(tree), HoconReader.Read(HoconWriter.Write(tree)).Json());
        }, iter: 2000);

    [Fact]
    public void Garbage_never_throws() =>
        PiecesOf(
            "a",
            "b.c",
            "${a}",
            "${?b.c}",
            "${",
            "{",
            "}",
            "[",
            "]",
            "=",
            ":",
            "+=",
            ",",
            "\n",
            " ",
            "\"",
            "\"\"\"",
            "\\",
            "include ",
            "\"x\"",
            "1",
            "#",
            "//",
            "<",
            "\0",
            "é",
            "\uD800")
            .Array[0, 40].Select(pieces => string.Concat(pieces)).Sample(text =>
            {
                Assert.NotNull(HoconReader.Read(text).Root);
                Assert.NotNull(MtpolicydConfReader.Read(text).Root);
            }, iter: 5000);

    [Fact]
    public void Conf_garbage_never_throws() =>
        PiecesOf(
            "<Plugin a>",
            "</Plugin>",
            "<VirtualHost 1>",
            "</VirtualHost>",
            "<",
            ">",
            "<>",
            "</>",
            "</a>",
            "<a/>",
            "regex = b",
            "k v",
            "= v",
            "\n",
            "\n",
            "\n",
            "\\\n",
            "/*",
            "*/",
            "<<EOT",
            "EOT",
            "#",
            "port = ,",
            "host = ::1",
            "\"",
            "<Connection x>")
            .Array[0, 30].Select(pieces => string.Concat(pieces))
                .Sample(text => Assert.NotNull(MtpolicydConfReader.Read(text).Root), iter: 5000);

    [Theory]
    [InlineData("[")]
    [InlineData("{ a = ")]
    [InlineData("{ a")]
    [InlineData("[ { a = ")]
    public void Deep_nesting_is_one_error_and_no_overflow(string opening)
    {
        var errors = HoconReader.Read("x = " + string.Concat(Enumerable.Repeat(opening, 100_000))).Errors();
        Assert.Contains("nested deeper than 200 levels", Assert.Single(errors));
    }

    [Fact]
    public void Error_is_shown_behind_any_number_of_warnings()
    {
        var warnings = string.Concat(Enumerable.Range(0, 500).Select(static number => $"a{number} = \"x\n"));
        var document = MtpolicydConfReader.Read(warnings + "<Plugin a>\n");
        Assert.Equal(DiagnosticBag.MaxKept + 1, document.Diagnostics.All.Count(static one => one.Severity == Severity.Warning));
        Assert.Contains(document.Diagnostics.Errors, static error => error.Message.Contains("never closed", StringComparison.Ordinal));
    }

    [Fact]
    public void Deep_path_and_deep_conf_are_an_error()
    {
        Assert.Contains(
            "nested deeper", Assert.Single(HoconReader.Read(string.Join('.', Enumerable.Repeat("a", 100_000)) + " = 1").Errors()));
        Assert.Contains(
            MtpolicydConfReader.Read(string.Concat(Enumerable.Repeat("<Plugin a>\n", 5000))).Errors(),
            error => error.Contains("nested deeper"));
    }

    [Theory]
    [InlineData("[${p}, ${p}]", "values")]
    [InlineData("${p}${p}", "too large")]
    [InlineData("{ x = ${p}, y = ${p} }", "values")]
    [InlineData("[${p}] ${p} ${p}", "values")]
    public void Values_that_double_each_other_end_soon(string pattern, string message)
    {
        var first = pattern[0] == '$' ? "0123456789" : "[1]";
        var text = new StringBuilder($"v0 = {first}\n");
        for (var i = 1; i < 60; i++)
        {
            text.Append($"v{i} = {pattern.Replace("${p}", $"${{v{i - 1}}}")}\n");
        }

        var watch = Stopwatch.StartNew();
        var errors = HoconReader.Read(text.ToString()).Errors();
        Assert.Contains(errors, error => error.Contains(message));
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(20), $"took {watch.Elapsed}");
    }

    [Fact]
    public void Long_rows_of_appends_and_references_are_read_or_refused_without_overflow()
    {
        var appends = string.Concat(Enumerable.Range(0, 1000).Select(i => $"a += {i}\n"));
        Assert.Equal(1000, ((ConfigArray)HoconReader.Read(appends).Root["a"]!).Items.Count);
        var chain = string.Concat(Enumerable.Range(0, 100_000).Select(i => $"a{i} = ${{a{i + 1}}}\n"));
        Assert.True(HoconReader.Read(chain).Diagnostics.HasErrors);
    }
}
