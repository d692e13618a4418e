using System.Collections.Concurrent;
using Policyd.Configuration;
using Policyd.Configuration.Hocon;
using Policyd.Configuration.Tree;
using Policyd.Engine.Building;
using Policyd.Engine.Loading;
using Policyd.Engine.Model;
using Policyd.Plugins.Api;
using Policyd.Plugins.Connections;
using Policyd.Plugins.Sessions;

namespace Policyd.Tests.Loading;

/// <summary>Kinds of connections that the server does not know, and what it finds in them.</summary>
public sealed class ConnectionModuleSpecs
{
    [Fact]
    public async Task Plugin_and_sessions_share_the_connection_of_a_third_party()
    {
        var (model, _) = Build("""
            connections { box { module = box, size = 3 } }
            session_cache { module = Box, box = box }
            virtual_hosts = [ { name = a, port = "127.0.0.1:0", plugins = [ { name = p, module = UsesBox, connection = box } ] } ]
            """);
        Assert.NotNull(model);
        var plugin = Assert.IsType<UsesBoxPlugin>(Assert.Single(model.VirtualHosts[0].Chain.Plugins));
        Assert.Equal(3, plugin.Box!.Size);
        await model.Sessions.StoreAsync("1", new Session { ["k"] = "v" }, TestContext.Current.CancellationToken);
        Assert.Equal("v", plugin.Box.Sessions["1"]["k"]);
        Assert.Equal("v", (await model.Sessions.LoadAsync("1", TestContext.Current.CancellationToken))?["k"]);
        await model.ServerConnections.DisposeAsync();
        Assert.True(plugin.Box.IsDisposed);
    }

    [Theory]
    [InlineData("connections { box { module = Bux } }", "unknown module \"Bux\"; known modules: Box, Ldap, Memcached, Mute, Redis, Sql")]
    [InlineData("connections { box { module = Box, size = 0 } }", "connection box: size: must be more than 0")]
    [InlineData("connections { box { module = Box, syze = 1 } }", "unknown option \"syze\" of connection box")]
    [InlineData("session_cache { module = Box }", "session_cache: there is no connection \"box\" with module = Box")]
    [InlineData(
        "connections { mute { module = Mute } }, session_cache { module = Mute }",
        "session_cache: unknown module \"Mute\"; known modules: None, Memory, Box, Memcached and Redis")]
    public void What_is_wrong_is_told_at_its_place(string text, string expected)
    {
        var (model, errors) = Build($"{text}, virtual_hosts = [ {{ name = a, port = \"127.0.0.1:0\", plugins = [] }} ]");
        Assert.Null(model);
        Assert.Contains(expected, Assert.Single(errors), StringComparison.Ordinal);
    }

    [Fact]
    public void Plugin_that_names_a_connection_of_another_kind_is_told()
    {
        var (model, errors) = Build("""
            connections { mute { module = Mute } }
            virtual_hosts = [ { name = a, port = "127.0.0.1:0", plugins = [ { name = p, module = UsesBox, connection = mute } ] } ]
            """);
        Assert.Null(model);
        Assert.Contains("the connection \"mute\" has module = Mute, but this option needs module = Box", Assert.Single(errors));
    }

    [Fact]
    public void Class_that_only_says_that_it_is_a_module_and_a_name_that_is_taken_are_refused()
    {
        var none = Assert.Throws<InvalidOperationException>(() => ModuleRegistry.BuiltIn.With([typeof(NoModule)]));
        Assert.Contains("is named as the connection module Nothing, but is no IConnectionModule", none.Message);
        var hidden = Assert.Throws<InvalidOperationException>(() => ModuleRegistry.BuiltIn.With([typeof(HiddenModule)]));
        Assert.Contains("is named as the connection module Hidden, but it must be public", hidden.Message);
        var taken = Assert.Throws<InvalidOperationException>(() => ModuleRegistry.BuiltIn.With([typeof(SecondRedis)]));
        Assert.Contains("the connection module redis of Policyd.Tests.Loading.ConnectionModuleSpecs+SecondRedis is already", taken.Message);
    }

    private static (PolicyServerModel? Model, List<string> Errors) Build(string text)
    {
        var document = HoconReader.Read($"policyd {{ listen = [\"127.0.0.1:0\"]\n{text}\n}}", "test.hocon");
        var modules = ModuleRegistry.BuiltIn.With([typeof(UsesBoxPlugin), typeof(BoxOptions), typeof(MuteOptions)]);
        var model = ModelBuilder.Build(document, new ModelEnvironment { Modules = modules });
        return (model, [.. document.Diagnostics.All.Where(one => one.Severity == Severity.Error).Select(one => one.Message)]);
    }

    /// <summary>The options of a connection that keeps sessions.</summary>
    [ConnectionModule("Box", typeof(ISessionStore))]
    public sealed class BoxOptions : IConnectionModule
    {
        /// <summary>Anything.</summary>
        public int Size { get; set; } = 1;

        /// <inheritdoc/>
        public string? Check() => Size > 0 ? null : "size: must be more than 0";

        /// <inheritdoc/>
        public IAsyncDisposable Open(ConnectionSetup setup) => new Box(Size);
    }

    /// <summary>A connection that keeps no sessions.</summary>
    [ConnectionModule("Mute")]
    public sealed class MuteOptions : IConnectionModule
    {
        /// <inheritdoc/>
        public string? Check() => null;

        /// <inheritdoc/>
        public IAsyncDisposable Open(ConnectionSetup setup) => new Box(1);
    }

    /// <summary>No module.</summary>
    [ConnectionModule("Nothing")]
    public sealed class NoModule;

    /// <summary>A module whose author has left out "public".</summary>
    [ConnectionModule("Hidden")]
    internal sealed class HiddenModule : IConnectionModule
    {
        /// <inheritdoc/>
        public string? Check() => null;

        /// <inheritdoc/>
        public IAsyncDisposable Open(ConnectionSetup setup) => new Box(1);
    }

    /// <summary>A module whose name the server uses.</summary>
    [ConnectionModule("redis")]
    public sealed class SecondRedis : IConnectionModule
    {
        /// <inheritdoc/>
        public string? Check() => null;

        /// <inheritdoc/>
        public IAsyncDisposable Open(ConnectionSetup setup) => new Box(1);
    }

    /// <summary>The connection.</summary>
    public sealed class Box(int size) : ISessionStore, IAsyncDisposable
    {
        internal int Size => size;

        internal bool IsDisposed { get; private set; }

        internal ConcurrentDictionary<string, Session> Sessions { get; } = new();

        /// <inheritdoc/>
        public ValueTask<Session?> LoadAsync(string instance, CancellationToken ct) => new(Sessions.GetValueOrDefault(instance));

        /// <inheritdoc/>
        public ValueTask StoreAsync(string instance, Session session, CancellationToken ct)
        {
            Sessions[instance] = session;
            return ValueTask.CompletedTask;
        }

        /// <inheritdoc/>
        public ValueTask DisposeAsync()
        {
            IsDisposed = true;
            return ValueTask.CompletedTask;
        }
    }

    /// <summary>A plugin that uses it.</summary>
    [Module("UsesBox")]
    public sealed class UsesBoxPlugin : Plugin
    {
        /// <summary>Which.</summary>
        public string Connection { get; set; } = "box";

        internal Box? Box { get; private set; }

        /// <inheritdoc/>
        public override void Initialize(PluginSetup setup) => Box = setup.Connection<Box>("connection", Connection, "Box");

        /// <inheritdoc/>
        public override ValueTask<PluginResult> RunAsync(PluginContext context) => default;
    }
}
