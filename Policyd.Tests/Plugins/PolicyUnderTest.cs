using Policyd.Configuration;
using Policyd.Configuration.Hocon;
using Policyd.Configuration.Tree;
using Policyd.Engine.Building;
using Policyd.Engine.Chain;
using Policyd.Engine.Decisions;
using Policyd.Engine.Loading;
using Policyd.Engine.Model;
using Policyd.Plugins.Sessions;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Plugins;

/// <summary>One virtual host from a piece of HOCON, and requests of one mail to it.</summary>
internal sealed class PolicyUnderTest : IAsyncDisposable
{
    private readonly VirtualHost _host;
    private Session _session = new();

    public PolicyUnderTest(string plugins, params Type[] modules)
        : this(TimeProvider.System, plugins, modules)
    {
    }

    public PolicyUnderTest(TimeProvider clock, string plugins, params Type[] modules)
        : this(
            new ModelEnvironment { Modules = ModuleRegistry.BuiltIn.With(modules), Clock = clock },
            $"policyd {{ virtual_hosts = [ {{ name = test, port = 12345, plugins = [ {plugins} ] }} ] }}")
    {
    }

    private PolicyUnderTest(ModelEnvironment environment, string hocon)
    {
        Model = Build(hocon, out var diagnostics, environment with { LoggerFactory = Log })
            ?? throw new InvalidOperationException(string.Join('\n', diagnostics.All));
        _host = Model.VirtualHosts[0];
    }

    public LogCapture Log { get; } = new();

    public PolicyServerModel Model { get; }

    public Session Session => _session;

    public ChainOutcome Last { get; private set; }

    /// <summary>How deep each request is recorded.</summary>
    public DecisionDepth Depth { get; set; }

    /// <summary>The steps of the last request.</summary>
    public IReadOnlyList<DecisionStep> Steps { get; private set; } = [];

    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>A whole configuration; its first virtual host is asked. Its log is kept in <see cref="Log"/>.</summary>
    public static PolicyUnderTest Of(string hocon, ModelEnvironment? environment = null) =>
        new(environment ?? new ModelEnvironment(), hocon);

    public static PolicyServerModel? Build(string hocon, out DiagnosticBag diagnostics, ModelEnvironment? environment = null)
    {
        var document = HoconReader.Read(hocon, "test.hocon");
        var model = ModelBuilder.Build(document, environment ?? new ModelEnvironment());
        diagnostics = document.Diagnostics;
        return model;
    }

    /// <summary>What is asked next belongs to another mail.</summary>
    public void NewMail() => _session = new Session();

    public async Task<string?> AskAsync(params (string Name, string Value)[] attributes)
    {
        var request = PolicyRequestBuilder.AccessPolicy().Add("instance", "1a2b.5").Add("client_address", "192.0.2.7");
        foreach (var (name, value) in attributes)
        {
            request.Add(name, value);
        }

        return await AskAsync(request.ToRequest());
    }

    /// <summary>A request by its bytes, with the closing empty line: not all that comes is UTF-8.</summary>
    public Task<string?> AskRawAsync(byte[] bytes) =>
        PolicyRequestReader.TryRead(bytes, RequestLimits.Default, out var request, out var error)
            ? AskAsync(request)
            : throw new InvalidOperationException(error.Message);

    private async Task<string?> AskAsync(PolicyRequest request)
    {
        var recorder = Depth == DecisionDepth.None ? null : new DecisionRecorder(Depth, TimeProvider.System);
        Last = await _host.RunAsync(request, _session, Timeout, recorder);
        Steps = recorder?.Close() ?? [];
        _session = Last.Session;
        return Last.Action;
    }

    public ValueTask DisposeAsync() => Model.ServerConnections.DisposeAsync();
}
