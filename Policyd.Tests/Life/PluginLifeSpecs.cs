using Policyd.Actors.Server;
using Policyd.Configuration.Hocon;
using Policyd.Engine.Building;
using Policyd.Engine.Life;
using Policyd.Engine.Loading;
using Policyd.Engine.Model;
using Policyd.Tests.Actors;
using Policyd.Tests.Server;
using Policyd.Tests.Support;
using static Policyd.Tests.Life.LivingPlugin;

namespace Policyd.Tests.Life;

/// <summary>Plugins start before the first request and end after the last, and neither keeps the server for longer than its time.</summary>
public sealed class PluginLifeSpecs
{
    private const string Short = "request_timeout = 1s";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Plugin_has_started_before_the_first_request_and_ends_with_the_server()
    {
        var (started, ended) = (0, 0);
        var server = await StartAsync(Section(new Script
        {
            Start = async ct =>
            {
                await Task.Delay(50, ct);
                Interlocked.Increment(ref started);
            },
            End = () =>
            {
                Interlocked.Increment(ref ended);
                return ValueTask.CompletedTask;
            },
        }));
        await using (server)
        {
            Assert.Equal("reject living", await server.AskAsync());
            Assert.Equal((1, 0), (started, ended));
        }

        Assert.Equal((1, 1), (started, ended));
    }

    [Fact, SoakTest("waits until a start is given up")]
    public async Task Start_that_fails_and_one_that_never_ends_are_told_with_the_plugin()
    {
        var failing = Model(Section(new Script { Start = static _ => throw new InvalidOperationException("no feed") }));
        Assert.Equal("plugin living cannot start: no feed", (await FailsToStart(failing)).Message);

        using var never = new ManualResetEventSlim();
        var hanging = Section(new Script { Start = static async _ => await Task.Delay(Timeout.Infinite, CancellationToken.None) });
        var blocking = Section(new Script
        {
            Start = _ =>
            {
                never.Wait(CancellationToken.None);
                return ValueTask.CompletedTask;
            },
        });
        foreach (var plugin in new[] { hanging, blocking })
        {
            var model = Model(plugin, options: "plugin_start_timeout = 1s");
            Assert.Equal("plugin living has not started within 1s (plugin_start_timeout)", (await FailsToStart(model)).Message);
        }

        never.Set();
    }

    [Fact, SoakTest("waits until an end is given up")]
    public async Task End_that_never_comes_keeps_neither_the_server_nor_the_other_plugins()
    {
        var ended = 0;
        using var never = new ManualResetEventSlim();
        var blocks = Section(new Script
        {
            End = () =>
            {
                never.Wait(CancellationToken.None);
                return ValueTask.CompletedTask;
            },
        });
        var ends = Section(
            new Script
            {
                End = () =>
                {
                    Interlocked.Increment(ref ended);
                    return ValueTask.CompletedTask;
                },
            },
            "other");
        var server = await StartAsync($"{blocks}, {ends}", "plugin_stop_timeout = 4s");
        await server.StopAsync().WaitAsync(Eventually.Timeout, Cancel);
        Assert.Equal(1, ended);
        Assert.Single(server.Log.Containing("plugin living has not ended within 4s (plugin_stop_timeout)"));
        never.Set();
        await server.DisposeAsync();
    }

    [Fact, SoakTest("a reload gives the former requests their time")]
    public async Task Reload_starts_the_new_plugin_and_ends_the_one_that_it_drops()
    {
        var (started, ended) = (0, 0);
        var script = new Script
        {
            Start = _ =>
            {
                Interlocked.Increment(ref started);
                return ValueTask.CompletedTask;
            },
            End = () =>
            {
                Interlocked.Increment(ref ended);
                return ValueTask.CompletedTask;
            },
        };
        var (kept, dropped) = (Section(script, "kept"), Section(script, "dropped"));
        await using var server = await StartAsync($"{kept}, {dropped}", Short);
        await server.Handle.ReloadAsync(Model($"{kept}, {Section(script, "added")}", server, Short));
        Assert.Equal(3, started);
        await Eventually.Holds("the dropped plugin and the one that was made in vain to end", () => Volatile.Read(ref ended) == 2);
    }

    [Fact]
    public async Task Plugin_that_a_reload_has_just_dropped_is_ended_before_the_server_has_stopped()
    {
        var ended = false;
        var dropped = new Script
        {
            End = async () =>
            {
                await Task.Delay(200, CancellationToken.None);   // as one that writes what it still has
                Volatile.Write(ref ended, true);
            },
        };
        await using var server = await StartAsync(Section(dropped, "dropped"));
        await server.Handle.ReloadAsync(Model(Section(new Script(), "added"), server));
        await server.StopAsync().WaitAsync(Eventually.Timeout, Cancel);
        Assert.True(Volatile.Read(ref ended));
    }

    [Fact]
    public async Task Reload_with_a_plugin_that_cannot_start_leaves_the_configuration_before_it()
    {
        await using var server = await StartAsync(Section(new Script()));
        var next = Model(Section(new Script { Start = static _ => throw new InvalidOperationException("no feed") }, "new"), server);
        var refused = await Assert.ThrowsAsync<ReloadException>(() => server.Handle.ReloadAsync(next));
        Assert.Equal("plugin new cannot start: no feed", refused.Message);
        Assert.NotSame(next, server.Handle.Model);
        Assert.Equal("reject living", await server.AskAsync());
    }

    [Fact, ServerTest]
    public async Task Server_whose_plugin_cannot_start_ends_with_its_own_exit_code()
    {
        using var folder = new TemporaryFolder();
        FaultyPlugins.Write(folder.Path);
        var file = folder.Write("policyd.hocon", $$"""
            policyd { listen = "127.0.0.1:{{FreePort.Next()}}", plugin_folder = ".", cron { enabled = off }
              virtual_hosts = [ { name = v, port = 1, plugins = [ { name = feed, module = ThrowsInStart } ] } ] }
            """);
        var result = await Command.RunAsync("", "serve", "-c", file);
        Assert.Equal(69, result.ExitCode);
        Assert.Contains("plugin feed cannot start: no feed", result.Error, StringComparison.Ordinal);
    }

    private static async Task<PluginStartException> FailsToStart(PolicyServerModel model) =>
        await Assert.ThrowsAsync<PluginStartException>(() => model.StartPluginsAsync(null, Cancel).WaitAsync(Eventually.Timeout, Cancel));

    private static Task<ServerUnderTest> StartAsync(string plugins, string options = "") =>
        ServerUnderTest.StartAsync(Text(plugins, options), modules: typeof(LivingPlugin));

    private static PolicyServerModel Model(string plugins, ServerUnderTest? serving = null, string options = "")
    {
        var document = HoconReader.Read(Text(plugins, options), "test.hocon");
        var environment = new ModelEnvironment
        {
            Modules = ModuleRegistry.BuiltIn.With([typeof(LivingPlugin)]),
            Former = serving?.Handle.Model,
        };
        return ModelBuilder.Build(document, environment)
            ?? throw new InvalidOperationException(string.Join('\n', document.Diagnostics.All));
    }

    private static string Text(string plugins, string options) => $$"""
        policyd { listen = ["127.0.0.1:0"], {{options}}
          virtual_hosts = [ { name = test, port = "127.0.0.1:0", plugins = [ {{plugins}} ] } ] }
        """;
}
