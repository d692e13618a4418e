using Policyd.Configuration;
using Policyd.Configuration.Hocon;
using Policyd.Configuration.Tree;
using Policyd.Tests.Support;
using Xunit;

namespace Policyd.Tests.Configuration;

public sealed class HoconIncludeSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private ConfigDocument Read(string text) => HoconReader.ReadFile(_folder.Write("main.hocon", text), Trees.Options(("ENV", "e")));

    [Fact]
    public void Substitutions_of_an_included_file_look_below_the_include_first()
    {
        _folder.Write("foo.conf", "x : 10, y : ${x}, z = ${top}, e = ${ENV}, l += ${x}");
        Assert.Equal("""{"top":7,"a":{"x":42,"y":42,"z":7,"e":"e","l":[42]}}""",
            Read("top = 7\na : { include \"foo.conf\" }\na : { x : 42 }").Json());
    }

    [Fact]
    public void Substitutions_of_a_file_included_in_an_array_look_in_the_element()
    {
        _folder.Write("foo.conf", "x : 10, y : ${x}");
        Assert.Equal("""{"a":[{"x":10,"y":10}]}""", Read("a = [ { include \"foo.conf\" } ]").Json());
    }

    [Fact]
    public void Keys_merge_and_override_around_an_include()
    {
        _folder.Write("sub/foo.conf", "a = 2, o { p = 1 }\ninclude file(\"deep.conf\")");
        _folder.Write("sub/deep.conf", "deep = yes");
        Assert.Equal("""{"a":2,"o":{"q":2,"p":1},"deep":"yes","b":3}""",
            Read("a = 1, o { q = 2 }, include required(file( \"sub/foo.conf\" )), b = 3").Json());
    }

    [Fact]
    public void Name_without_extension_stands_for_json_and_conf()
    {
        _folder.Write("foo.json", """{ "a": 1, "b": 1 }""");
        _folder.Write("foo.conf", "b = 2");
        Assert.Equal("""{"a":1,"b":2}""", Read("include \"foo\"").Json());
    }

    [Fact]
    public void Absent_file_is_a_notice_and_an_error_when_it_is_required()
    {
        var optional = Read("include \"nope.conf\"\na = 1");
        Assert.Equal("""{"a":1}""", optional.Json());
        Assert.Equal(Severity.Notice, Assert.Single(optional.Diagnostics.All).Severity);
        Assert.Contains(
            "main.hocon:1:1: the included file \"nope.conf\" does not exist",
            Assert.Single(Read("include required(\"nope.conf\")").Errors()));
    }

    [Fact]
    public void Cycle_and_folder_and_error_inside_are_reported_with_their_place()
    {
        _folder.Write("b.conf", "\ninclude \"main.hocon\"\n x = }");
        Directory.CreateDirectory(Path.Combine(_folder.Path, "d.conf"));
        var errors = Read("include \"b.conf\"\ninclude \"d.conf\"").Errors();
        Assert.Equal(4, errors.Length);
        Assert.EndsWith("b.conf:2:1: include cycle: main.hocon -> b.conf -> main.hocon", errors[0]);
        Assert.EndsWith("b.conf:3:6: expected a value, found '}'", errors[1]);
        Assert.EndsWith("b.conf:3:6: this '}' has no matching opening bracket", errors[2]);
        Assert.EndsWith("main.hocon:2:1: the included \"d.conf\" is a folder; a file is required", errors[3]);
    }
}
