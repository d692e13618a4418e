using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Policyd.Actors.Hosting;
using Policyd.Actors.Server;
using Policyd.Configuration;
using Policyd.Engine.Building;
using Policyd.Engine.Loading;
using Policyd.Engine.Model;
using Policyd.Plugins.Api;
using Policyd.Plugins.Dns;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Actors;

/// <summary>A whole server in this process, on real sockets, from a configuration text.</summary>
internal sealed class ServerUnderTest : IAsyncDisposable
{
    private readonly IHost _host;

    private ServerUnderTest(IHost host, LogCapture log) => (_host, Log) = (host, log);

    public LogCapture Log { get; }

    public IPolicyServerHandle Handle => _host.Services.GetRequiredService<IPolicyServerHandle>();

    public Akka.Actor.ActorSystem System => _host.Services.GetRequiredService<Akka.Actor.ActorSystem>();

    public PolicyEndpoint Endpoint => Handle.Endpoints[0];

    /// <summary>A server on one port with one virtual host whose only plugin is the script.</summary>
    public static Task<ServerUnderTest> RunningAsync(
        Func<PluginContext, ValueTask<PluginResult>> script, string options = "", string pluginOptions = "") =>
        StartAsync($$"""
            policyd { listen = ["127.0.0.1:0"], {{options}}
              virtual_hosts = [ { name = test, port = "127.0.0.1:0", plugins = [ {{Plugin(script, pluginOptions)}} ] } ] }
            """);

    public static Task<ServerUnderTest> AnsweringAsync(string options = "") => RunningAsync(static _ => Answer("dunno"), options);

    public static string Plugin(Func<PluginContext, ValueTask<PluginResult>> script, string options = "") =>
        $$"""{ name = script, module = Script, script = "{{ScriptPlugin.Register(script)}}", {{options}} }""";

    public static ValueTask<PluginResult> Answer(string action) => new(PluginResult.Answer(action));

    /// <param name="configuration">The text.</param>
    /// <param name="file">The name of its file, whose ending tells the language.</param>
    /// <param name="dns">Who looks names up; null: the server that the configuration names.</param>
    /// <param name="clock">The time; null: the system's.</param>
    /// <param name="logs">From which level on the log shows anything.</param>
    /// <param name="guards">Whether modules of the test are guarded as a third party's are.</param>
    /// <param name="modules">Modules of the test, beside the script.</param>
    public static async Task<ServerUnderTest> StartAsync(
        string configuration,
        string file = "policyd.hocon",
        IDnsResolver? dns = null,
        TimeProvider? clock = null,
        LogLevel logs = LogLevel.Trace,
        bool guards = false,
        params Type[] modules)
    {
        var log = new LogCapture(logs);
        using var folder = new TemporaryFolder();
        var document = ConfigurationFile.Read(folder.Write(file, configuration));
        var model = ModelBuilder.Build(document, new ModelEnvironment
        {
            LoggerFactory = log,
            Modules = ModuleRegistry.BuiltIn.With([typeof(ScriptPlugin), .. modules]),
            GuardsModules = guards,
            Dns = dns,
            Clock = clock ?? TimeProvider.System,
        });
        Assert.True(model is not null, string.Join('\n', document.Diagnostics.All));
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddSingleton<ILoggerFactory>(log);
        builder.Services.AddPolicyServer(model);
        var host = builder.Build();
        try
        {
            await host.StartAsync(TestContext.Current.CancellationToken);
        }
        catch
        {
            host.Dispose();
            throw;
        }

        return new ServerUnderTest(host, log);
    }

    public static byte[] Request(string instance = "", string recipient = "b@example.org") =>
        PolicyRequestBuilder.AccessPolicy().Add("instance", instance).Add("recipient", recipient).ToBytes();

    public async Task<Socket> ConnectAsync(PolicyEndpoint? endpoint = null)
    {
        var address = await (endpoint ?? Endpoint).ResolveAsync(TestContext.Current.CancellationToken);
        var socket = new Socket(
            address.AddressFamily, SocketType.Stream, address is IPEndPoint ? ProtocolType.Tcp : ProtocolType.Unspecified);
        await socket.ConnectAsync(address, TestContext.Current.CancellationToken);
        return socket;
    }

    /// <summary>One request on a connection of its own.</summary>
    public async Task<string> AskAsync(string instance = "", string recipient = "b@example.org", PolicyEndpoint? endpoint = null)
    {
        await using var client = await PolicyClient.ConnectAsync(endpoint ?? Endpoint, TestContext.Current.CancellationToken);
        return await Eventually.Ends(
            "an answer", client.AskAsync(Request(instance, recipient), TestContext.Current.CancellationToken).AsTask());
    }

    /// <summary>Everything that comes until the server closes.</summary>
    public static async Task<string> ReadToEndAsync(Socket socket)
    {
        var text = new StringBuilder();
        var buffer = new byte[4096];
        while (true)
        {
            int read;
            try
            {
                read = await Eventually.Ends(
                    "the end of a connection", socket.ReceiveAsync(buffer, TestContext.Current.CancellationToken).AsTask());
            }
            catch (SocketException)
            {
                return text.ToString();
            }

            if (read == 0)
            {
                return text.ToString();
            }

            text.Append(Encoding.UTF8.GetString(buffer, 0, read));
        }
    }

    /// <summary>Reads until so many answers have come.</summary>
    public static async Task<string> ReadAnswersAsync(Socket socket, int count)
    {
        var text = new StringBuilder();
        var buffer = new byte[4096];
        while (text.ToString().Split("\n\n").Length - 1 < count)
        {
            var read = await Eventually.Ends(
                $"{count} answers", socket.ReceiveAsync(buffer, TestContext.Current.CancellationToken).AsTask());
            Assert.True(read > 0, $"closed after \"{text}\", expected {count} answers");
            text.Append(Encoding.UTF8.GetString(buffer, 0, read));
        }

        return text.ToString();
    }

    /// <summary>One answer, or nothing when the server closes first.</summary>
    public static async Task<string> ReadToEndOrAnswerAsync(Socket socket)
    {
        var buffer = new byte[4096];
        var read = await Eventually.Ends(
            "an answer or a close", socket.ReceiveAsync(buffer, TestContext.Current.CancellationToken).AsTask());
        return Encoding.UTF8.GetString(buffer, 0, read);
    }

    public Task StopAsync() => _host.StopAsync(TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync(CancellationToken.None);
        _host.Dispose();
    }
}
