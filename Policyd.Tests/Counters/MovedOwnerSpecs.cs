using Policyd.Engine.Loading;
using Policyd.Engine.Model;
using Policyd.Plugins.Api;
using Policyd.Plugins.Counters;
using Policyd.Tests.Actors;
using Policyd.Tests.Plugins;
using Policyd.Tests.Support;

namespace Policyd.Tests.Counters;

/// <summary>
/// A request whose counter moves to another node between its Quota and its Accounting: the quota that is full by then answers, and not one
/// mail too many is counted.
/// </summary>
public sealed class MovedOwnerSpecs : IAsyncLifetime
{
    private const int Threshold = 5;
    private static readonly CounterAmounts One = new(1, 1, 10, 10);

    private readonly ScriptedCounterStore _store = new();
    private readonly List<CounterNodeUnderTest> _nodes = [];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes)
        {
            await node.DisposeAsync();
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Request_is_checked_again_where_its_counter_is_now(bool isFullMeanwhile)
    {
        var stays = await Join(null);
        var leaves = await Join(stays);
        var sender = await SenderOwnedBy(leaves);
        var (runs, window) = (0, default(CounterWindow));
        await using var policy = Policy(stays, async context =>
        {
            context.Session["request"] += "x";
            (runs, window) = (runs + 1, CounterWindow.Calendar("%Y-%m", context.RequestTime));
            await leaves.Leave();
            for (var mail = 0; mail < (isFullMeanwhile ? Threshold : Threshold - 1); mail++)
            {
                var id = MailId.Of($"other{mail}");
                var check = new ReserveOperation(Key(sender), window, CounterMetric.Count, Threshold, One, id);
                Assert.True((await Ask(stays, check)).Yes);
                var add = new AddOperation(Key(sender), window, One, id, new UInt128(7, (ulong)mail << 32));
                Assert.Equal(CounterState.Known, (await Ask(stays, add)).State);
            }

            return PluginResult.Continue;
        });

        policy.Session["request"] = "a";
        policy.Session["mail"] = "b";
        var answer = await policy.AskAsync(("sender", sender), ("protocol_state", "END-OF-MESSAGE"));
        Assert.Equal(isFullMeanwhile ? "defer full" : "dunno", answer);
        Assert.Equal(isFullMeanwhile ? "a" : "ax", policy.Session["request"]);
        Assert.Equal("b", policy.Session["mail"]);
        Assert.Equal(1, runs);
        Assert.Equal(Threshold, _store["acct_sender", sender, window.Time].Count);
    }

    private static CounterKey Key(string sender) => new("db", "acct_sender", sender);

    private static async Task<CounterAnswer> Ask(CounterNodeUnderTest node, CounterOperation operation)
    {
        var phase = new CounterPhase();
        phase.Put(operation);
        await phase.RunAsync(node.Counters, Cancel);
        return operation.Answer;
    }

    private static PolicyUnderTest Policy(CounterNodeUnderTest node, Func<PluginContext, ValueTask<PluginResult>> between) =>
        PolicyUnderTest.Of(
            $$"""
            policyd { connections { db { module = Sql, dsn = "Data Source=/nonexistent/counters.db", provider = SQLite } }
              virtual_hosts = [ { name = test, port = 12345, plugins = [
                { name = q, module = Quota, field = sender, metric = count, threshold = {{Threshold}}, action = "defer full" }
                { name = between, module = Script, script = "{{ScriptPlugin.Register(between)}}" }
                { name = a, module = Accounting, fields = sender } ] } ] }
            """,
            new ModelEnvironment { Counters = node.Counters, Modules = ModuleRegistry.BuiltIn.With([typeof(ScriptPlugin)]) });

    /// <summary>A sender whose counter is on that node.</summary>
    private async Task<string> SenderOwnedBy(CounterNodeUnderTest node)
    {
        for (var number = 0; ; number++)
        {
            var key = Key($"u{number}@example.com");
            await _nodes[0].Counters.ReadAsync(key, new CounterWindow("none"), Cancel);
            if (node.OwnedKeys.Contains(key))
            {
                return key.Key;
            }
        }
    }

    private async Task<CounterNodeUnderTest> Join(CounterNodeUnderTest? seed)
    {
        var node = await CounterNodeUnderTest.StartInCluster(_store, seed);
        _nodes.Add(node);
        return node;
    }
}
