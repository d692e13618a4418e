using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Policyd.Tests.Support;
using Xunit;

namespace Policyd.Tests.Server;

/// <summary>A server that may open few files: it says so at its start, and with just enough it serves whom it has room for.</summary>
[ServerTest]
public sealed class OpenFileSpecs : IDisposable
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromMinutes(3);
    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();

    public void Dispose() => _folder.Dispose();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string Configuration() => _folder.Write("p.hocon", $$"""
        policyd {
          listen = "127.0.0.1:{{_port}}"
          admin { listen = "unix:{{_folder["admin.sock"]}}" }
          connections { db { module = Sql, dsn = "Data Source={{_folder["counts.db"]}}" } }
          virtual_hosts = [ { name = v, port = {{_port}}, plugins = [ { name = count, module = Accounting, fields = client_address } ] } ]
        }
        """);

    private ProcessUnderTest Start(int limit) => ProcessUnderTest.Start(
        "/bin/sh", [
            "-c",
            $"ulimit -n {limit.ToString(CultureInfo.InvariantCulture)}; exec '{PolicydProcess.Executable}' serve -c '{Configuration()}'"
        ]);

    [Theory]
    [InlineData(100)]
    [InlineData(200)]
    public async Task Server_that_may_open_too_few_files_says_what_it_needs_and_ends_with_71(int limit)
    {
        await using var server = Start(limit);
        Assert.Equal(71, await server.Exits(s_timeout));
        var line = Assert.Single(server.Lines, line => line.Contains("limit of open files", StringComparison.Ordinal));
        Assert.Contains($"is {limit}", line, StringComparison.Ordinal);
        Assert.Contains("LimitNOFILE", line, StringComparison.Ordinal);
        Assert.DoesNotContain(
            server.Lines, line => line.Contains("   at ", StringComparison.Ordinal) || line.Contains("xception", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Server_with_300_files_answers_whom_it_has_room_for_and_operators_and_the_others_when_there_is_room_again()
    {
        await using var server = Start(300);
        await PolicydProcess.Listens(server, _port);
        await server.Prints("max_connections is ");
        var clients = new List<Socket>();
        try
        {
            for (var index = 0; index < 400; index++)
            {
                clients.Add(await Ask(index));
            }

            await server.Prints("connections are open and the limit of open files allows no more");
            var answered = 0;
            await Eventually.Holds(
                "the first ones to be answered", () => (answered = clients.Count(client => client.Available > 0)) >= 20, s_timeout);
            Assert.InRange(answered, 20, 250);
            var counter = await Command.RunAsync("", "counter", "list", "client_address", "-c", _folder["p.hocon"]);
            Assert.Equal((0, ""), (counter.ExitCode, counter.Error));

            // Whoever is answered goes, as Postfix does in the end, and one that waited takes his place.
            await Eventually.Holds("all 400 to be answered", () =>
            {
                foreach (var client in clients.Where(client => client.Available > 0).ToList())
                {
                    Assert.StartsWith("action=", Read(client), StringComparison.Ordinal);
                    clients.Remove(client);
                    client.Dispose();
                }

                return clients.Count == 0;
            }, s_timeout);
        }
        finally
        {
            clients.ForEach(client => client.Dispose());
        }

        Assert.False(server.HasExited);
        Assert.InRange(server.Lines.Count(line => line.Contains("limit of open files", StringComparison.Ordinal)), 2, 8);
        Assert.DoesNotContain(server.Lines, line => line.Contains("err: ", StringComparison.Ordinal));
    }

    private static string Read(Socket client)
    {
        var buffer = new byte[200];
        return Encoding.ASCII.GetString(buffer, 0, client.Receive(buffer));
    }

    private async Task<Socket> Ask(int index)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync("127.0.0.1", _port, Cancellation);
        await socket.SendAsync(
            Encoding.ASCII.GetBytes($"request=smtpd_access_policy\ninstance={index}\nclient_address=192.0.2.1\n\n"), Cancellation);
        return socket;
    }
}
