using Policyd.Configuration;
using Policyd.Configuration.Tree;
using Xunit;

namespace Policyd.Tests.Configuration;

// The HOCON specification's own statements and examples, section by section
// (https://github.com/lightbend/config/blob/main/HOCON.md). Left: HOCON; right: the JSON it must mean.
public sealed class HoconSpecs
{
    [Theory]
    // Comments, root braces, separators
    [InlineData("a = 1 # c\n// d\nb = 2 // e", """{"a":1,"b":2}""")]
    [InlineData("{ a : 1 }", """{"a":1}""")]
    [InlineData("", "{}")]
    [InlineData("\"foo\" {}", """{"foo":{}}""")]
    [InlineData("a\n{ b : 1 }", """{"a":{"b":1}}""")]
    [InlineData("a :\n 1", """{"a":1}""")]
    // Commas
    [InlineData("a = [1,2,3,]", """{"a":[1,2,3]}""")]
    [InlineData("a = [1\n2\n3]", """{"a":[1,2,3]}""")]
    [InlineData("a = [1\n,2]", """{"a":[1,2]}""")]
    [InlineData("a : 1, b : 2,", """{"a":1,"b":2}""")]
    // White space: a non-breaking space and a byte order mark are white space
    [InlineData("\uFEFFa\u00A0=\u00A01", """{"a":1}""")]
    // Duplicate keys and merging
    [InlineData("foo : { a : 42 }, foo : { b : 43 }", """{"foo":{"a":42,"b":43}}""")]
    [InlineData("foo : { a : 42 }, foo : null, foo : { b : 43 }", """{"foo":{"b":43}}""")]
    [InlineData("a : { x : 1, y : 2 }, a : { x : 3 }", """{"a":{"x":3,"y":2}}""")]
    [InlineData("a : { x : 1 }, a : 42", """{"a":42}""")]
    // Unquoted strings
    [InlineData("a = truefoo, b = footrue, c = 10.0bar, d = bar10.0", """{"a":"truefoo","b":"footrue","c":"10.0bar","d":"bar10.0"}""")]
    [InlineData("a = true, b = null, c = 1e5, d = -1.50, e = 1E+2", """{"a":true,"b":null,"c":1e5,"d":-1.50,"e":1E+2}""")]
    // String value concatenation
    [InlineData("a =  foo bar  baz  ", """{"a":"foo bar  baz"}""")]
    [InlineData("a = 1 2, b = true null", """{"a":"1 2","b":"true null"}""")]
    [InlineData("a = \"x\" y", """{"a":"x y"}""")]
    [InlineData("a = \"\"\"b \"c\" \\ \n d\"\"\"\"", """{"a":"b \"c\" \\ \n d\""}""")]
    // Array and object concatenation
    [InlineData("a : { b : 1 } { c : 2 }", """{"a":{"b":1,"c":2}}""")]
    [InlineData("a : [ 1, 2 ] [ 3, 4 ]", """{"a":[1,2,3,4]}""")]
    [InlineData("a : [ 1, 2 ]\na : ${a} [ 3, 4 ]", """{"a":[1,2,3,4]}""")]
    [InlineData("data-center-generic = { cluster-size = 6 }\ndata-center-east = ${data-center-generic} { name = \"east\" }",
        """{"data-center-generic":{"cluster-size":6},"data-center-east":{"cluster-size":6,"name":"east"}}""")]
    [InlineData("path = [ /bin ]\npath = ${path} [ /usr/bin ]", """{"path":["/bin","/usr/bin"]}""")]
    [InlineData("a = [ 1 2 3 4 ]", """{"a":["1 2 3 4"]}""")]
    [InlineData("a = [ [ 1, 2 ] [ 3, 4 ] ]", """{"a":[[1,2,3,4]]}""")]
    [InlineData("a = [ [ 1, 2 ]\n [ 3, 4 ] ]", """{"a":[[1,2],[3,4]]}""")]
    [InlineData("name = Ann, a = [ my name is ${name}, Hello ${name} ]", """{"name":"Ann","a":["my name is Ann","Hello Ann"]}""")]
    // Path expressions and paths as keys
    [InlineData("foo.bar : 42", """{"foo":{"bar":42}}""")]
    [InlineData("a.x : 42, a.y : 43", """{"a":{"x":42,"y":43}}""")]
    [InlineData("a b c : 42", """{"a b c":42}""")]
    [InlineData("foo.\"hello.world\".\"\" : 1", """{"foo":{"hello.world":{"":1}}}""")]
    [InlineData(
        "10.0foo : 1, foo10.0 : 2, foo\"10.0\" : 3, 1.2.3 : 4", """{"10":{"0foo":1},"foo10":{"0":2},"foo10.0":3,"1":{"2":{"3":4}}}""")]
    [InlineData("true : 42, 3 : 42, 3.14 : 42", """{"true":42,"3":{"14":42}}""")]
    // Substitutions
    [InlineData(
        "animal.favorite = cat, key : ${animal.favorite} is my favorite animal",
        """{"animal":{"favorite":"cat"},"key":"cat is my favorite animal"}""")]
    [InlineData("a = ${b}, b = 5", """{"a":5,"b":5}""")]
    [InlineData("a = 1, a = ${?nope}", """{"a":1}""")]
    [InlineData("a = [ 1, ${?nope}, 2 ]", """{"a":[1,2]}""")]
    [InlineData("a = x${?nope}y, b = ${?nope} [1], c = ${?nope} { d = 1 }", """{"a":"xy","b":[1],"c":{"d":1}}""")]
    [InlineData("foo : ${?bar}${?baz}", "{}")]
    [InlineData("a = \"${b}\"", """{"a":"${b}"}""")]
    // Self-referential substitutions
    [InlineData("path : \"a:b:c\"\npath : ${path}\":d\"", """{"path":"a:b:c:d"}""")]
    [InlineData("foo : { a : 1 }\nfoo : ${foo}", """{"foo":{"a":1}}""")]
    [InlineData("foo : ${?foo}", "{}")]
    [InlineData("foo : ${does-not-exist}\nfoo : 42", """{"foo":42}""")]
    [InlineData("foo : ${foo}, foo : 42", """{"foo":42}""")]
    [InlineData("foo : { a : { c : 1 } }\nfoo : ${foo.a}\nfoo : { a : 2 }", """{"foo":{"a":2,"c":1}}""")]
    [InlineData("bar : { foo : 42, baz : ${bar.foo} }", """{"bar":{"foo":42,"baz":42}}""")]
    [InlineData("bar : { foo : 42, baz : ${bar.foo} }\nbar : { foo : 43 }", """{"bar":{"foo":43,"baz":43}}""")]
    [InlineData(
        "bar : { a : ${foo.d}, b : 1 }\nbar.b = 3\nfoo : { c : ${bar.b}, d : 2 }\nfoo.d = 4",
        """{"bar":{"a":4,"b":3},"foo":{"c":3,"d":4}}""")]
    [InlineData("a = ${?a}foo", """{"a":"foo"}""")]
    [InlineData("a = ${?a} [3]", """{"a":[3]}""")]
    [InlineData("a : 1, b : 2, a : ${b}, b : ${a}", """{"a":1,"b":1}""")]
    // +=
    [InlineData("a += b", """{"a":["b"]}""")]
    [InlineData("a = [1]\na += 2\na += { b = 3 }", """{"a":[1,2,{"b":3}]}""")]
    [InlineData("x { a = [1] }\nx { a += 2 }", """{"x":{"a":[1,2]}}""")]
    [InlineData("l = [ { a += 1, a += 2 } ]", """{"l":[{"a":[1,2]}]}""")]
    // Includes that are none
    [InlineData(
        "foo include : 42, foo : include, \"include\" : 1, a = [ include ]",
        """{"foo include":42,"foo":"include","include":1,"a":["include"]}""")]
    // Numerically indexed objects in a concatenation of arrays
    [InlineData("o { 1 = b, 0 = a }\na = [x] ${o}", """{"o":{"1":"b","0":"a"},"a":["x","a","b"]}""")]
    public void Text_means_what_the_specification_says(string hocon, string json) =>
        Assert.Equal(Trees.Normal(json), Trees.Hocon(hocon).Json());

    [Theory]
    [InlineData("a = [1,2,3,,]", "1:12: extra comma")]
    [InlineData("a = [,1,2,3]", "1:6: an element is missing before this comma")]
    [InlineData("a = [1,,2,3]", "1:8: extra comma")]
    [InlineData("a : 1,,b : 2", "1:7: extra comma")]
    [InlineData("a : 1 }", "1:7: this '}' has no matching opening bracket")]
    [InlineData("a : { b : 1", "1:12: expected '}' to close the object opened at 1:5")]
    [InlineData("a : [ 1", "1:8: expected ']' to close the array opened at 1:5")]
    [InlineData("[1]", "1:1: the configuration must be an object")]
    [InlineData("a..b = 1", "1:1: an element of the path is empty")]
    [InlineData(".a = 1", "1:1: an element of the path is empty")]
    [InlineData("a. = 1", "1:1: an element of the path is empty")]
    [InlineData("x = ${a..b}", "1:5: in this substitution: an element of the path is empty")]
    [InlineData("x = ${}", "1:5: in this substitution: the path is empty")]
    [InlineData("x = ${a", "1:5: expected '}' to close the substitution")]
    [InlineData("${a} = 1", "1:1: a key cannot contain a substitution")]
    [InlineData("x = \"abc", "1:5: this string is not closed")]
    [InlineData("x = \"\"\"abc\n\n", "1:5: this \"\"\" string is not closed")]
    [InlineData("x = \"a\\qb\"", "1:7: unknown escape \\q")]
    [InlineData("x = \"a\\u12\"", "1:7: \\u needs four hexadecimal digits")]
    [InlineData("x = \"a\\u12\0\0\"", "1:7: \\u needs four hexadecimal digits")]
    [InlineData("x = \"a\\ud83d b\"", "1:5: this string holds half of a surrogate pair")]
    [InlineData("x = ^a", "1:5: '^' is not allowed outside quotes")]
    [InlineData("x =\ny = 2", "2:3: unexpected '='")]
    [InlineData("x =", "1:4: expected a value, found the end of the file")]
    [InlineData("word\ny = 2", "1:1: expected '=', ':' or '{' after this key")]
    [InlineData("a = { b : 1 } [ 2 ]", "1:5: an object cannot be concatenated with an array")]
    [InlineData("a = [1] x", "1:9: text cannot be concatenated with an array")]
    [InlineData("foo : ${foo}", "1:7: ${foo} refers to itself")]
    [InlineData("a : ${b}\nb : ${c}\nc : ${a}", "3:5: ${a} refers to itself: ${b} at 1:5 -> ${c} at 2:5 -> ${a} at 3:5")]
    [InlineData("a : { b : ${a} }", "1:11: this value contains itself")]
    [InlineData("a : [${a}]", "1:6: this value contains itself")]
    [InlineData("a : ${nope}", "1:5: ${nope} is defined neither in the configuration nor in the environment")]
    [InlineData("a = 1\na += 2", "2:6: text cannot be concatenated with an array")]
    [InlineData("include foo", "1:1: include needs a file name in quotes")]
    [InlineData("include url(\"http://x/y\")", "1:1: include supports only files")]
    [InlineData("include \"https://x/y.conf\"", "1:1: include supports only files")]
    [InlineData("include classpath(\"x\")", "1:1: include supports only files")]
    public void Error_is_reported_at_its_place_when_the_text_is_invalid(string hocon, string expected)
    {
        var errors = Trees.Hocon(hocon).Errors();
        Assert.Contains(errors, error => error.StartsWith("test.hocon:" + expected, StringComparison.Ordinal));
    }

    [Fact]
    public void Errors_are_all_reported_when_there_are_several() =>
        Assert.Equal(
            ["test.hocon:1:5:", "test.hocon:3:9:", "test.hocon:5:1:"],
            Trees.Hocon("a = \"x\nb = 1\nc = [1, &]\nd = 2\n}\n").Errors().Select(error => error[..15]));

    [Fact]
    public void Missing_brace_is_traced_to_the_line_that_stands_too_far_left()
    {
        var errors = Trees.Hocon("policyd {\n  a {\n    b {\n      c = 1\n  }\n  d = 2\n}\n").Errors();
        Assert.Equal(
            ["test.hocon:8:1: expected '}' to close the object opened at 1:9 (the '}' at 5:3 is indented less than line 3, where its "
                + "object begins; a '}' may be missing before it)"],
            errors);
    }

    [Fact]
    public void Environment_answers_a_substitution_that_the_configuration_does_not()
    {
        Assert.Equal("""{"a":"/home/x/b","c":"","e":1,"f":null}""",
            Trees.Hocon("a = ${HOME}/b\nc = ${EMPTY}\ne = 1\ne = ${?NOPE}\nf = null\nf = ${?g}", ("HOME", "/home/x"), ("EMPTY", ""))
                .Json());
        Assert.Equal("""{"HOME":null,"a":null}""", Trees.Hocon("HOME = null, a = ${HOME}", ("HOME", "/home/x")).Json());
        Assert.Equal("""{"a":["x","y"]}""", Trees.Hocon("a = ${L[]}", ("L_0", "x"), ("L_1", "y")).Json());
    }

    [Fact]
    public void Node_knows_where_it_was_written()
    {
        var root = Trees.Hocon("x = 1\npolicyd {\n  a = [ 1,\n    two words ]\n  b = ${x}\n}").Root;
        Assert.Equal("test.hocon:3:7", root.Find("policyd", "a")!.Position.ToString());
        Assert.Equal("test.hocon:4:5", ((ConfigArray)root.Find("policyd", "a")!).Items[1].Position.ToString());
        Assert.Equal("test.hocon:1:5", root.Find("policyd", "b")!.Position.ToString());
        Assert.True(((ConfigObject)root["policyd"]!).TryGetMember("b", out var member));
        Assert.Equal("test.hocon:5:3", member.KeyPosition.ToString());
    }
}
