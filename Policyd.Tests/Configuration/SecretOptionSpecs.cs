using System.ComponentModel.DataAnnotations;
using Policyd.Configuration;
using Policyd.Configuration.Options;
using Policyd.Configuration.Tree;
using Xunit;
using static Policyd.Tests.Configuration.OptionBinderSpecs;

namespace Policyd.Tests.Configuration;

/// <summary>A secret is one by its declaration, and no message about its option shows it.</summary>
public sealed class SecretOptionSpecs
{
    private const string Marker = "hunter2";

    public sealed class Inner
    {
        public int Port { get; set; }
    }

    public class Secrets
    {
        [SecretOption]
        public virtual string? Text { get; set; }

        [SecretOption]
        public int Number { get; set; }

        [SecretOption]
        public Mode Mode { get; set; }

        [SecretOption]
        public bool Flag { get; set; }

        [SecretOption]
        public IReadOnlyList<int> List { get; set; } = [];

        [SecretOption]
        public Dictionary<string, int> Map { get; set; } = [];

        [SecretOption]
        public Inner? Inner { get; set; }

        [SecretOption]
        public Override<double> PerUser { get; set; } = new(0, null);

        [SecretOption]
        public string? Thrown { get => field; set => field = value is null ? null : throw new ArgumentException($"'{value}' is nothing"); }

        [SecretOption, AllowedValues("a", ErrorMessage = "hunter2 is refused")]
        public string? Ruled { get; set; }

        [SecretInUrl]
        public string? Url { get; set; }

        public string? Open { get; set; }
    }

    public sealed class Derived : Secrets
    {
        public override string? Text { get; set; }
    }

    [Theory]
    [InlineData("number = hunter2")]
    [InlineData("number = 99999999999999999999, text = [hunter2]")]
    [InlineData("mode = rejekt-hunter2")]
    [InlineData("flag = \"hunter2\"")]
    [InlineData("list = [1, hunter2]")]
    [InlineData("list = \"1,hunter2\"")]
    [InlineData("list = { a = hunter2 }")]
    [InlineData("map = { a = hunter2 }")]
    [InlineData("inner = { port = hunter2 }")]
    [InlineData("inner = { hunter2 = 1 }")]
    [InlineData("inner = hunter2")]
    [InlineData("per_user = hunter2")]
    [InlineData("uc_per_user = [hunter2]")]
    [InlineData("thrown = hunter2")]
    [InlineData("ruled = hunter2")]
    [InlineData("text { a = hunter2 }")]
    [InlineData("number = \"\"\"1\nhunter2\"\"\"")]
    [InlineData("x = hunter2, number = ${x}, x = ${?nothing}")]
    public void Message_about_a_secret_option_has_its_name_and_place_and_not_its_value(string text)
    {
        var document = Trees.Hocon(text);
        Assert.False(document.Diagnostics.HasErrors);
        var diagnostics = new DiagnosticBag();
        Assert.False(OptionBinder.Bind(new Secrets(), document.Root, diagnostics, new BindingOptions { ConsumedElsewhere = ["x"] }));
        Assert.NotEmpty(diagnostics.All);
        Assert.All(diagnostics.All, found =>
        {
            Assert.StartsWith("test.hocon:", found.ToString(), StringComparison.Ordinal);
            Assert.DoesNotContain(Marker, found.Message, StringComparison.Ordinal);
            Assert.DoesNotContain("9999", found.Message, StringComparison.Ordinal);
        });
    }

    [Fact]
    public void Schema_tells_every_key_of_a_secret_option_and_a_derived_one()
    {
        var secret = OptionSchema.Of(typeof(Derived)).Options.Where(option => option.Secret is not null).Select(option => option.Name);
        Assert.Equal(
            ["text", "number", "mode", "flag", "list", "map", "inner", "per_user", "uc_per_user", "thrown", "ruled", "url"], secret);
        var schema = OptionSchema.Of(typeof(Secrets)).Options.ToDictionary(option => option.Name);
        Assert.Equal(("***", "", "a"), (schema["text"].Shown("a, \"b\" c"), schema["text"].Shown(""), schema["open"].Shown("a")));
    }

    [Theory]
    [InlineData("http://localhost:8080/ctipd/iprep", "http://localhost:8080/ctipd/iprep")]
    [InlineData("http://me:hunter2@host/a", "http://***@host/a")]
    [InlineData("http://me:hun@ter,2@host:81", "***")]
    [InlineData("http://hunter2@[2001:db8::1]:80/", "http://***@[2001:db8::1]:80/")]
    [InlineData("https://host/x?token=hunter2&key=hunter2&z=", "https://host/x?token=***&key=***&z=***")]
    [InlineData("https://host/x?hunter2", "https://host/x?***")]
    [InlineData("https://host/x#hunter2", "https://host/x#***")]
    [InlineData("https://host/v1/0123456789abcdefABCDhunter2/x", "https://host/v1/***/x")]
    [InlineData("hunter2", "***")]
    [InlineData("http:hunter2", "***")]
    [InlineData("http://me:hun/ter2@host/", "***")]
    [InlineData("http://host?a=\nhunter2", "http://host?a=***")]
    [InlineData("", "")]
    public void Url_is_shown_without_what_may_be_secret(string url, string shown) =>
        Assert.Equal(shown, new SecretInUrlAttribute().Hide(url));
}
