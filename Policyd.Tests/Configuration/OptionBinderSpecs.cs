using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Diagnostics.CodeAnalysis;
using Policyd.Configuration;
using Policyd.Configuration.Options;
using Policyd.Configuration.Tree;
using Policyd.Configuration.Values;
using Xunit;

namespace Policyd.Tests.Configuration;

public sealed class OptionBinderSpecs
{
    public enum Mode { Reject, Passive, DeferIfPermit }

    public sealed class Nested
    {
        public int MinRetryWait { get; set; } = 300;
    }

    /// <summary>An option from X and uc_X, as user options are.</summary>
    [SuppressMessage("Design", "CA1000", Justification = "The interface asks for static members.")]
    public sealed record Override<T>(T Value, string? Key) : IMultiKeyOption<Override<T>>
    {
        public static IReadOnlyList<OptionKey> KeysOf(string name) =>
            [new(name, typeof(T)), new("uc_" + name, typeof(string), "a session key that overrides it")];

        public static Override<T> Bind(OptionReader reader, Override<T>? current) => new(
            reader.TryRead<T>(reader.Name, out var value) ? value : current is null ? default! : current.Value,
            reader.TryRead<string>("uc_" + reader.Name, out var key) ? key : current?.Key);

        public object? ValueOf(string key) => key.StartsWith("uc_", StringComparison.Ordinal) ? Key : Value;
    }

    public interface INested
    {
        [NotAnOption]
        object? Chain { get; set; }
    }

    public abstract class Common
    {
        [Description("How much is logged.")]
        public int LogLevel { get; set; } = 4;
    }

    public sealed class Sample : Common, INested
    {
        [Description("The attribute.")]
        public required string Field { get; set; }

        public required Override<double> Threshold { get; set; }

        public Override<bool> Enabled { get; set; } = new(true, null);

        public bool Invert { get; set; }

        public long Big { get; set; }

        public double? Score { get; set; }

        public TimeSpan Expire { get; set; } = TimeSpan.FromMinutes(5);

        public ByteSize MaxSize { get; set; } = new(65536);

        public Mode Mode { get; set; } = Mode.Passive;

        public IReadOnlyList<string> Fields { get; set; } = ["a", "b"];

        [OptionList(", ")]
        public int[] Numbers { get; set; } = [];

        [OptionList("")]
        public List<string> Regex { get; set; } = [];

        public Nested Ticket { get; set; } = new();

        public List<Nested> Tickets { get; set; } = [];

        public Dictionary<string, Nested> Named { get; set; } = [];

        [Range(1, 65535)]
        public int Port { get; set; } = 25;

        [OptionName("helo", "ehlo")]
        public string Greeting { get; set; } = "x";

        public string Checked { get => field; set => field = value == "bad" ? throw new ArgumentException("bad is bad") : value; } = "";

        public ConfigNode? Raw { get; set; }

        public object? Chain { get; set; }

        [NotAnOption]
        public string Other { get; set; } = "";

        public string ReadOnly => Other;
    }

    private static (Sample Sample, string[] Errors) Bind(string text, params string[] consumed)
    {
        var document = Trees.Hocon(text);
        var sample = OptionBinder.Create<Sample>(
            document.Root, document.Diagnostics, new BindingOptions { ConsumedElsewhere = consumed, Subject = "plugin X" });
        return (sample, document.Errors());
    }

    private static Sample Good(string text)
    {
        var (sample, errors) = Bind("field = f, threshold = 1\n" + text);
        Assert.Equal([], errors);
        return sample;
    }

    [Fact]
    public void Options_are_set_by_their_names()
    {
        var sample = Good("""
            log_level = "3", invert = yes, big = 5000000000, score = -2.5, expire = 2m, max_size = 1 MB, mode = defer_if_permit
            fields = "x, y,,z", numbers = "1, 2 3", regex = "a{1,2}, b", ticket { min_retry_wait = 1 }
            tickets = [ { min_retry_wait = 2 }, {} ], named { n { min_retry_wait = 3 } }, port = 26, ehlo = hi, raw = [1]
            """);
        Assert.Equal(3, sample.LogLevel);
        Assert.True(sample.Invert);
        Assert.Equal(
            (5_000_000_000, -2.5, TimeSpan.FromMinutes(2), 1_000_000L), (sample.Big, sample.Score, sample.Expire, sample.MaxSize.Bytes));
        Assert.Equal(Mode.DeferIfPermit, sample.Mode);
        Assert.Equal(["x", "y", "z"], sample.Fields);
        Assert.Equal([1, 2, 3], sample.Numbers);
        Assert.Equal(["a{1,2}, b"], sample.Regex);
        Assert.Equal(1, sample.Ticket.MinRetryWait);
        Assert.Equal([2, 300], sample.Tickets.Select(ticket => ticket.MinRetryWait));
        Assert.Equal(3, sample.Named["n"].MinRetryWait);
        Assert.Equal((26, "hi"), (sample.Port, sample.Greeting));
        Assert.IsType<ConfigArray>(sample.Raw);
    }

    [Theory]
    [InlineData("on", true)]
    [InlineData("Yes", true)]
    [InlineData("true", true)]
    [InlineData("\"1\"", true)]
    [InlineData("off", false)]
    [InlineData("no", false)]
    [InlineData("false", false)]
    [InlineData("0", false)]
    public void Switch_understands_all_its_words(string word, bool expected) => Assert.Equal(expected, Good($"invert = {word}").Invert);

    [Theory]
    [InlineData("20", 20_000)]
    [InlineData("20s", 20_000)]
    [InlineData("1500 ms", 1500)]
    [InlineData("0.5 hours", 1_800_000)]
    [InlineData("1d", 86_400_000)]
    public void Duration_without_unit_is_seconds(string text, double milliseconds) =>
        Assert.Equal(milliseconds, Good($"expire = {text}").Expire.TotalMilliseconds);

    [Theory]
    [InlineData("512K", 524288)]
    [InlineData("1kB", 1000)]
    [InlineData("64MiB", 67108864)]
    [InlineData("1.5k", 1536)]
    [InlineData("2 gigabytes", 2_000_000_000)]
    [InlineData("7", 7)]
    public void Size_takes_the_units_of_the_specification(string text, long bytes) =>
        Assert.Equal(bytes, Good($"max_size = {text}").MaxSize.Bytes);

    [Fact]
    public void Multi_key_option_takes_either_key_and_keeps_its_default()
    {
        var sample = Good("uc_enabled = wanted, uc_threshold = limit");
        Assert.Equal(new Override<bool>(true, "wanted"), sample.Enabled);
        Assert.Equal(new Override<double>(1, "limit"), sample.Threshold);
    }

    [Fact]
    public void Null_is_as_if_the_option_were_not_given()
    {
        Assert.Equal(25, Good("port = null, uc_enabled = null").Port);
        Assert.Contains("needs the option \"field\"", Assert.Single(Bind("field = null, threshold = 1").Errors));
    }

    [Theory]
    [InlineData("lgo_level = 1", "1:1: unknown option \"lgo_level\" of plugin X; did you mean \"log_level\"?")]
    [InlineData("zzz = 1", "1:1: unknown option \"zzz\" of plugin X")]
    [InlineData("chain = 1", "1:1: unknown option \"chain\" of plugin X")]
    [InlineData("log_level = ten", "1:13: log_level: expected a whole number, found \"ten\"")]
    [InlineData("log_level = 2.5", "1:13: log_level: expected a whole number, found \"2.5\"")]
    [InlineData(
        "log_level = 5000000000", "1:13: log_level: expected a whole number between -2147483648 and 2147483647, found \"5000000000\"")]
    [InlineData("score = [1]", "1:9: score: expected a number, found an array")]
    [InlineData("score = 1e999", "1:9: score: expected a number, found \"1e999\"")]
    [InlineData("invert = maybe", "1:10: invert: expected on or off, found \"maybe\"")]
    [InlineData(
        "mode = pasive", "1:8: mode: expected one of reject, passive, defer_if_permit, found \"pasive\"; did you mean \"passive\"?")]
    [InlineData("expire = 5 parsecs", "1:10: expire: unknown duration unit \"parsecs\"; expected ms, s, m, h or d")]
    [InlineData("expire = -1", "1:10: expire: a duration must be between 0 and 10675199 days, found \"-1\"")]
    [InlineData("max_size = 9999999 EiB", "1:12: max_size: a size must be between 0 and 9223372036854775807 bytes, found \"9999999 EiB\"")]
    [InlineData("numbers = [1, x]", "1:15: numbers: expected a whole number, found \"x\"")]
    [InlineData("ticket = 1", "1:10: ticket: expected an object, found \"1\"")]
    [InlineData("ticket { min_retry_wiat = 1 }", "1:10: unknown option \"min_retry_wiat\" of ticket; did you mean \"min_retry_wait\"?")]
    [InlineData("named { n = 1 }", "1:13: named.n: expected an object, found \"1\"")]
    [InlineData("port = 0", "1:8: port: The field port must be between 1 and 65535.")]
    [InlineData("checked = bad", "1:11: checked: bad is bad")]
    [InlineData("uc_enabled = [x]", "1:14: uc_enabled: expected text, found an array")]
    public void Error_names_option_place_and_expectation(string text, string expected) =>
        Assert.Equal(["test.hocon:" + expected], Bind(text + "\nfield = f, threshold = 1").Errors);

    [Fact]
    public void Errors_are_all_reported_at_once() =>
        Assert.Equal(4, Bind("log_level = x, what = 1", "module").Errors.Length);

    [Fact]
    public void Keys_that_somebody_else_reads_are_no_error() =>
        Assert.Equal([], Bind("field = f, threshold = 1, module = M, plugins = []", "module", "name", "plugins").Errors);

    [Fact]
    public void Required_option_is_named_with_its_description() =>
        Assert.Equal("test.hocon:1:1: plugin X needs the option \"field\" (The attribute)", Bind("threshold = 1").Errors.Single());

    [Fact]
    public void Schema_lists_every_key_with_type_default_and_description()
    {
        var schema = OptionSchema.Of(typeof(Sample));
        Assert.Equal(
            ["log_level", "field", "threshold", "uc_threshold", "enabled", "uc_enabled", "invert", "big", "score", "expire", "max_size",
            "mode", "fields", "numbers",
                "regex", "ticket", "tickets", "named", "port", "helo", "checked", "raw"],
            schema.Options.Select(option => option.Name));
        var options = schema.Options.ToDictionary(option => option.Name);
        Assert.Equal(
            ("a whole number", "4", false, "How much is logged."),
            (options["log_level"].TypeName, options["log_level"].Default, options["log_level"].Required, options["log_level"].Description));
        Assert.True(options["threshold"].Required);
        Assert.False(options["uc_threshold"].Required);
        Assert.Equal(("on", "5m", "64KiB", "passive", "a, b"), (
            options["enabled"].Default,
            options["expire"].Default,
            options["max_size"].Default,
            options["mode"].Default,
            options["fields"].Default));
        Assert.Equal("a session key that overrides it", options["uc_enabled"].Description);
        Assert.Equal("min_retry_wait", Assert.Single(options["tickets"].Nested!.Options).Name);
        var sample = Good("uc_enabled = key, score = 2.5");
        Assert.Equal(("key", "2.5", "1", null), (
            schema.ValueOf(sample, "uc_enabled"),
            schema.ValueOf(sample, "score"),
            schema.ValueOf(sample, "threshold"),
            schema.ValueOf(sample, "nope")));
    }

    [Theory]
    [InlineData("RejectMessage", "reject_message")]
    [InlineData("AWL", "awl")]
    [InlineData("UseAWLTable", "use_awl_table")]
    [InlineData("re_match", "re_match")]
    [InlineData("Ipv6Only", "ipv6_only")]
    public void Name_is_the_property_in_snake_case(string property, string option) => Assert.Equal(option, OptionNames.Snake(property));
}
