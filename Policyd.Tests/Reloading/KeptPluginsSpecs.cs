using Policyd.Engine.Model;
using Policyd.Plugins.Api;
using Policyd.Tests.Plugins;
using Policyd.Tests.Support;
using Xunit;

namespace Policyd.Tests.Reloading;

/// <summary>Which plugins a new configuration goes on with: those for which nothing has changed, and no other.</summary>
public sealed class KeptPluginsSpecs : IDisposable
{
    private const string Score = "{ name = score, module = AddScoreHeader }";
    private const string Database = "db { module = Sql, provider = SQLite, dsn = \"Data Source=/tmp/none.db\" }";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Plugin_whose_options_are_the_same_is_kept()
    {
        var (former, next) = Reload(
            $"{{ name = a, module = Action, action = \"reject a\" }}, {Score}",
            $"{{ name = a, module = Action, action = \"reject b\" }}, {Score}, {{ name = new, module = Action, action = dunno }}");
        Assert.NotSame(Find(former, "a"), Find(next, "a"));
        Assert.Same(Find(former, "score"), Find(next, "score"));
    }

    [Fact]
    public void Virtual_host_without_a_change_is_kept_whole()
    {
        var (former, next) = Reload(Score, Score, root: "request_timeout = 7s");
        Assert.Same(former.VirtualHosts[0], next.VirtualHosts[0]);
        Assert.Same(former.Sessions, next.Sessions);
        Assert.Same(former.Counters, next.Counters);
        Assert.NotEmpty(next.Unused);
    }

    [Theory]
    [InlineData("$a", "$b", false)]
    [InlineData("$a", "$a", true)]
    public void Plugin_of_a_nested_chain_is_kept_also_when_the_one_around_it_changes(string before, string after, bool isOuterKept)
    {
        const string Outer = """{ name = outer, module = Condition, key = "r:sender", match = "VALUE", plugins = [ SCORE ] }""";
        var (former, next) = Reload(
            Outer.Replace("VALUE", before, StringComparison.Ordinal).Replace("SCORE", Score, StringComparison.Ordinal),
            Outer.Replace("VALUE", after, StringComparison.Ordinal).Replace("SCORE", Score, StringComparison.Ordinal));
        Assert.Equal(isOuterKept, ReferenceEquals(Find(former, "outer"), Find(next, "outer")));
        Assert.Same(Find(former, "score"), Find(next, "score"));
    }

    [Fact]
    public void Plugin_with_another_nested_chain_is_new()
    {
        const string Outer = "{ name = outer, module = Stress, plugins = [ INNER ] }";
        var (former, next) = Reload(
            Outer.Replace("INNER", Score, StringComparison.Ordinal),
            Outer.Replace("INNER", $"{Score}, {{ name = more, module = Action, action = dunno }}", StringComparison.Ordinal));
        Assert.NotSame(Find(former, "outer"), Find(next, "outer"));
        Assert.Same(Find(former, "score"), Find(next, "score"));
        Assert.Equal(2, Assert.IsAssignableFrom<INestedChain>(Find(next, "outer")).Plugins!.Plugins.Count);
    }

    [Fact]
    public void Quota_is_new_when_what_counts_for_it_has_changed()
    {
        const string Quota = "{ name = quota, module = Quota, field = sender, metric = count, threshold = 10 }";
        var (former, next) = Reload(
            $"{Quota}, {{ name = acct, module = Accounting, fields = sender }}",
            $"{Quota}, {{ name = acct, module = Accounting, fields = \"sender,client_address\" }}");
        Assert.NotSame(Find(former, "quota"), Find(next, "quota"));
        Assert.Same(former.Counters, next.Counters);
    }

    [Fact]
    public void Connection_that_has_changed_takes_its_plugins_with_it()
    {
        const string List = "{ name = list, module = SqlList, db = DB, sql_query = \"SELECT 1 WHERE ? = 'a'\", field = sender }";
        const string Other = "other { module = Sql, provider = SQLite, dsn = \"Data Source=/tmp/none.db\" }";
        var plugins = List.Replace("DB", "db", StringComparison.Ordinal)
            + ", "
            + List.Replace("DB", "other", StringComparison.Ordinal).Replace("name = list", "name = second", StringComparison.Ordinal);
        var (former, next) = Reload(
            plugins, plugins, Other, Other.Replace("/tmp/none.db", _folder["x.db"], StringComparison.Ordinal));
        Assert.Same(Find(former, "list"), Find(next, "list"));
        Assert.NotSame(Find(former, "second"), Find(next, "second"));
        Assert.Same(former.Sql.Database("db"), next.Sql.Database("db"));
        Assert.NotSame(former.Sql.Database("other"), next.Sql.Database("other"));
    }

    [Fact]
    public void File_that_was_written_to_is_read_again()
    {
        var file = _folder.Write("names", "/one/\n");
        var plugin = $"{{ name = list, module = RegexList, key = \"r:sender\", file = \"{file}\", action = \"reject\" }}";
        var former = Build($"virtual_hosts = [ {{ port = 12345, plugins = [ {plugin} ] }} ]");
        var same = Build($"virtual_hosts = [ {{ port = 12345, plugins = [ {plugin} ] }} ]", former);
        Assert.Same(Find(former, "list"), Find(same, "list"));
        _folder.Write("names", "/one/\n/another/\n");
        Assert.NotSame(Find(same, "list"), Find(Build($"virtual_hosts = [ {{ port = 12345, plugins = [ {plugin} ] }} ]", same), "list"));
    }

    [Fact]
    public void Other_restriction_classes_make_every_plugin_new()
    {
        var (former, next) = Reload(Score, Score, root: "restriction_classes = [ mine ]");
        Assert.NotSame(Find(former, "score"), Find(next, "score"));
    }

    [Fact]
    public async Task What_only_the_former_model_had_ends_with_it()
    {
        var (former, next) = Reload(
            "{ name = ends, module = EndsHere, text = a }, { name = stays, module = EndsHere, text = b }",
            "{ name = ends, module = EndsHere, text = other }, { name = stays, module = EndsHere, text = b }");
        await next.EndUnusedAsync();
        Assert.False(Assert.IsType<EndsHerePlugin>(Find(next, "stays")).HasEnded);
        await former.EndAllButAsync(next, []);
        Assert.True(Assert.IsType<EndsHerePlugin>(Find(former, "ends")).HasEnded);
        Assert.False(Assert.IsType<EndsHerePlugin>(Find(next, "ends")).HasEnded);
        Assert.False(Assert.IsType<EndsHerePlugin>(Find(next, "stays")).HasEnded);
    }

    private static Plugin Find(PolicyServerModel model, string name) =>
        model.VirtualHosts[0].Chain.All.Single(plugin => plugin.Name == name);

    private static (PolicyServerModel Former, PolicyServerModel Next) Reload(
        string before, string after, string connection = "", string? changed = null, string root = "")
    {
        var former = Build(Text(before, connection, ""));
        return (former, Build(Text(after, changed ?? connection, root), former));

        static string Text(string plugins, string connection, string root) =>
            $"{root}\nconnections {{ {Database}\n{connection} }}\nvirtual_hosts = [ {{ port = 12345, plugins = [ {plugins} ] }} ]";
    }

    private static PolicyServerModel Build(string section, PolicyServerModel? former = null)
    {
        var environment = new ModelEnvironment { Former = former };
        return PolicyUnderTest.Build(
                $"policyd {{\n{section}\n}}",
                out var diagnostics,
                environment with { Modules = environment.Modules.With([typeof(EndsHerePlugin)]) })
            ?? throw new InvalidOperationException(string.Join('\n', diagnostics.All));
    }

    /// <summary>A plugin that holds something until its end.</summary>
    public sealed class EndsHerePlugin : Plugin, IDisposable
    {
        public string Text { get; set; } = "";

        internal bool HasEnded { get; private set; }

        public override ValueTask<PluginResult> RunAsync(PluginContext context) => default;

        public void Dispose() => HasEnded = true;
    }
}
