using System.Runtime.CompilerServices;
using Policyd.Configuration.Hocon;
using Policyd.Engine.Building;
using Policyd.Engine.Model;
using Policyd.Tests.Actors;
using Policyd.Tests.Support;
using Xunit;

namespace Policyd.Tests.Reloading;

/// <summary>A server that is reloaded a thousand times must not keep a thousand models.</summary>
public sealed class ReplacedModelSpecs
{
    [Fact]
    public async Task Model_that_was_replaced_is_given_back()
    {
        await using var server = await ServerUnderTest.StartAsync(Text("dunno"));
        await Replace(server, "reject one");
        Assert.Equal("reject one", await server.AskAsync("1"));
        var replaced = Present(server);
        await Replace(server, "reject two");
        await Eventually.Holds("the replaced model to be collected", async () =>
        {
            // A thread that serves connections holds its last one until the next comes.
            Assert.Equal("reject two", await server.AskAsync("2"));
            GC.Collect();
            return !replaced.IsAlive;
        });
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference Present(ServerUnderTest server) => new(server.Handle.Model);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Task Replace(ServerUnderTest server, string action)
    {
        var document = HoconReader.Read(Text(action), "test.hocon");
        var next = ModelBuilder.Build(document, new ModelEnvironment { LoggerFactory = server.Log, Former = server.Handle.Model });
        Assert.NotNull(next);
        return server.Handle.ReloadAsync(next);
    }

    private static string Text(string action) => $$"""
        policyd { listen = ["127.0.0.1:0"], request_timeout = 1s
          virtual_hosts = [ { name = x, port = "127.0.0.1:0", plugins = [
            { name = kept, module = Condition, key = "r:sender", match = nobody, score = 1 }
            { name = answer, module = Action, action = "{{action}}" } ] } ] }
        """;
}
