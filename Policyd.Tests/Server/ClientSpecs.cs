using Policyd.Tests.Support;

namespace Policyd.Tests.Server;

[ServerTest]
public sealed class ClientSpecs
{
    private const string TwoRequests = "client_address=192.0.2.1\n\n\nclient_address=192.0.2.2\nsender=a@example.org=x\n\n";

    [Fact]
    public async Task The_client_adds_request_and_instance_and_prints_each_action()
    {
        await using var server = new ScriptedServer(static request => $"action=dunno {request.Length}\n\n");
        var result = await Command.RunAsync(TwoRequests, "client", "-h", server.Address);
        Assert.Equal(("", 0), (result.Error, result.ExitCode));
        Assert.Equal(2, server.Connections.Count);
        var requests = server.Connections.Select(Assert.Single).ToArray();
        Assert.Equal(requests.Select(request => $"dunno {request.Length}"), result.Output.TrimEnd('\n').Split('\n'));
        Assert.Matches(@"^request=smtpd_access_policy\ninstance=0\.\d+\nclient_address=192\.0\.2\.1\n$", requests[0]);
        Assert.Matches(
            @"^request=smtpd_access_policy\ninstance=0\.\d+\nclient_address=192\.0\.2\.2\nsender=a@example\.org=x\n$", requests[1]);
        Assert.NotEqual(requests[0].Split('\n')[1], requests[1].Split('\n')[1]);
    }

    [Fact]
    public async Task The_client_keeps_the_connection_when_asked_and_its_own_attributes_always()
    {
        await using var server = new ScriptedServer(static _ => "action=reject no\n\n");
        var result = await Command.RunAsync("instance=abc\nrequest=junk\nx=1\n\nx=2", "client", "-k", "-v", "-h", server.Address);
        Assert.Equal(("reject no\nreject no\n", 0), (result.Output, result.ExitCode));
        var requests = Assert.Single(server.Connections);
        Assert.Equal("instance=abc\nrequest=junk\nx=1\n", requests[0]);
        Assert.EndsWith("\nx=2\n", requests[1], StringComparison.Ordinal);
        Assert.StartsWith(
            ">> instance=abc\n>> request=junk\n>> x=1\n>> \n<< action=reject no\n<< \n", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_client_reports_a_server_that_closes_without_an_answer()
    {
        await using var server = new ScriptedServer(static _ => null);
        var result = await Command.RunAsync("x=1\n\n", "client", "-h", server.Address);
        Assert.Equal(
            (76, "", $"policyd: {server.Address} closed the connection without an answer\n"),
            (result.ExitCode, result.Output, result.Error));
    }

    [Fact]
    public async Task The_client_reports_an_answer_without_an_action()
    {
        await using var server = new ScriptedServer(static _ => "verdict=fine\n\n");
        var result = await Command.RunAsync("x=1\n\n", "client", "-h", server.Address);
        Assert.Equal((76, ""), (result.ExitCode, result.Output));
    }

    [Fact]
    public async Task The_client_cannot_be_made_to_drive_the_terminal()
    {
        await using var server = new ScriptedServer(static _ => "action=reject \u001b[2J\n\n");
        var result = await Command.RunAsync("x=1\n\n", "client", "-h", server.Address);
        Assert.Equal("reject \\x1b[2J\n", result.Output);
    }

    [Fact]
    public async Task The_client_ends_with_69_when_nobody_listens()
    {
        var result = await Command.RunAsync("x=1\n\n", "client", "-s", "/nonexistent/policyd.sock");
        Assert.Equal(
            (69, "policyd: cannot connect to unix:/nonexistent/policyd.sock: the socket does not exist\n"),
            (result.ExitCode, result.Error));
        var tooLong = await Command.RunAsync("x=1\n\n", "client", "-s", "/" + new string('x', 107));
        Assert.Equal(64, tooLong.ExitCode);
        Assert.StartsWith("policyd: -s: the path of the socket has 108 bytes", tooLong.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_client_ends_with_65_at_a_line_that_is_no_attribute()
    {
        await using var server = new ScriptedServer(static _ => "action=dunno\n\n");
        var result = await Command.RunAsync("nonsense\n\n", "client", "-h", server.Address);
        Assert.Equal((65, "policyd: not an attribute of the form name=value: nonsense\n"), (result.ExitCode, result.Error));
        Assert.Empty(server.Connections);
    }
}
