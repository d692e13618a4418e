using System.Net;
using System.Net.Sockets;
using Policyd.Actors.Listeners;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Actors;

public sealed class ListenerSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string SocketPath => _folder["policy.sock"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task One_server_answers_on_IPv4_on_IPv6_and_on_a_UNIX_socket()
    {
        await using var server = await ServerUnderTest.StartAsync(Configuration("127.0.0.1:0", "[::1]:0", "unix:" + SocketPath));
        Assert.Equal(3, server.Handle.Endpoints.Count);
        foreach (var endpoint in server.Handle.Endpoints)
        {
            Assert.True(endpoint.IsUnix || endpoint.Port > 0, $"{endpoint} tells no real port");
            Assert.Equal("dunno", await server.AskAsync("1", endpoint: endpoint));
        }
    }

    [Fact]
    public async Task A_UNIX_socket_file_is_open_to_other_users_and_gone_after_the_stop()
    {
        await using var server = await ServerUnderTest.StartAsync(Configuration("unix:" + SocketPath));
        Assert.True(
            OperatingSystem.IsWindows() || File.GetUnixFileMode(SocketPath).HasFlag(UnixFileMode.OtherWrite), "Postfix could not connect");
        await server.StopAsync();
        Assert.False(File.Exists(SocketPath), "the socket file is still there");
    }

    [Fact]
    public async Task A_socket_file_that_a_dead_server_left_is_replaced()
    {
        using (var dead = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            dead.Bind(new UnixDomainSocketEndPoint(SocketPath));
            File.Copy("/dev/null", SocketPath + ".moved");
            Directory.Move(SocketPath, SocketPath + ".kept");   // .NET removes the file of a socket that it disposes
        }

        File.Move(SocketPath + ".kept", SocketPath);
        await using var server = await ServerUnderTest.StartAsync(Configuration("unix:" + SocketPath));
        Assert.Equal("dunno", await server.AskAsync("1"));
    }

    [Fact]
    public async Task A_socket_that_another_server_answers_on_is_left_to_it()
    {
        await using var first = await ServerUnderTest.StartAsync(Configuration("unix:" + SocketPath));
        var error = await Assert.ThrowsAnyAsync<Exception>(() => ServerUnderTest.StartAsync(Configuration("unix:" + SocketPath)));
        Assert.Contains("another server is listening", error.ToString(), StringComparison.Ordinal);
        Assert.Equal("dunno", await first.AskAsync("1"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("precious")]
    public async Task A_file_that_is_no_socket_is_never_removed(string content)
    {
        File.WriteAllText(SocketPath, content);
        var error = await Assert.ThrowsAsync<ListenException>(
            () => PolicyListener.BindAsync(PolicyEndpoint.Unix(SocketPath), TestContext.Current.CancellationToken));
        Assert.EndsWith(": a file that is not a socket has this name", error.Message, StringComparison.Ordinal);
        Assert.Equal(content, File.ReadAllText(SocketPath));
    }

    [Fact]
    public async Task A_port_in_use_stops_the_start_and_unbinds_the_others()
    {
        using var other = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        other.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        other.Listen();
        var taken = $"127.0.0.1:{((IPEndPoint)other.LocalEndPoint!).Port}";
        var error = await Assert.ThrowsAnyAsync<Exception>(() => ServerUnderTest.StartAsync(Configuration("unix:" + SocketPath, taken)));
        Assert.Contains("cannot listen on " + taken, error.ToString(), StringComparison.Ordinal);
        Assert.False(File.Exists(SocketPath), "the first listener is still bound");
    }

    private static string Configuration(params string[] listeners)
    {
        var list = string.Join(", ", listeners.Select(static one => $"\"{one}\""));
        return $$"""
            policyd { listen = [{{list}}]
              virtual_hosts = [ { name = test, port = [{{list}}], plugins = [ {{ServerUnderTest.Plugin(static _ => ServerUnderTest.Answer("dunno"))}} ] } ] }
            """;
    }
}
