using Policyd.Protocol;
using Policyd.Server.Replaying;
using Policyd.Tests.Server;
using Policyd.Tests.Support;
using Xunit;

namespace Policyd.Tests.Replaying;

/// <summary>A running server that keeps its requests in a file.</summary>
[ServerTest]
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class RecordingSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private string Recording => _folder["requests.jsonl"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Requests_are_kept_with_their_answers_in_a_file_of_the_servers_user_alone()
    {
        await using var server = await PolicydProcess.Serve(Configure($"file = \"{Recording}\""), _port);
        await AskAsync(50);
        await Stops(server);
        var read = await ReadAsync(Recording);
        Assert.Equal(Enumerable.Range(0, 50).Select(static mail => $"{mail}@example.com"), read.Select(static one => one.Request.Sender));
        Assert.All(read, one => Assert.Equal(
            ("x", "answer", "reject no", "RCPT"), (one.VirtualHost, one.Plugin, one.Action, one.Request.ProtocolState)));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Recording));
    }

    [Fact]
    public async Task Files_stay_within_their_size_and_keep_the_newest_requests()
    {
        const int Most = 1024 * 1024;
        const int Mails = 6_000;
        await using var server = await PolicydProcess.Serve(Configure($"file = \"{Recording}\", max_size = {Most}"), _port);
        await AskAsync(Mails);
        await Stops(server);
        var former = await ReadAsync(Recording + ".1");
        var present = await ReadAsync(Recording);
        Assert.InRange(new FileInfo(Recording + ".1").Length + new FileInfo(Recording).Length, Most / 2, Most);
        Assert.Equal($"{Mails - 1}@example.com", present[^1].Request.Sender);
        var kept = former.Count + present.Count;
        Assert.InRange(kept, 1, Mails - 1);
        Assert.Equal(
            Enumerable.Range(Mails - kept, kept).Select(static mail => $"{mail}@example.com"),
            former.Concat(present).Select(static one => one.Request.Sender));
    }

    [Fact]
    public async Task Part_of_the_mails_is_kept_each_with_all_of_its_requests()
    {
        const int Mails = 2_000;
        await using var server = await PolicydProcess.Serve(Configure($"file = \"{Recording}\", sample = 0.25"), _port);
        await AskAsync(Mails);
        await AskAsync(Mails);
        await Stops(server);
        var mails = (await ReadAsync(Recording)).GroupBy(static one => one.Request.Instance).ToList();
        // Out of 2,000 mails 500 on average; so far away one run in 10^20 would come.
        Assert.InRange(mails.Count, 300, 700);
        Assert.All(mails, static mail => Assert.Equal(2, mail.Count()));
    }

    [Fact]
    public async Task Masked_values_are_nowhere_in_the_file_and_the_same_after_a_restart()
    {
        var file = Configure($"file = \"{Recording}\", mask = [sender, client_address]");
        for (var life = 0; life < 2; life++)
        {
            await using var server = await PolicydProcess.Serve(file, _port);
            await AskAsync(3);
            await Stops(server);
        }

        Assert.DoesNotContain("example.com", await File.ReadAllTextAsync(Recording, Cancel), StringComparison.Ordinal);
        Assert.DoesNotContain("192.0.2.7", await File.ReadAllTextAsync(Recording, Cancel), StringComparison.Ordinal);
        var senders = (await ReadAsync(Recording)).Select(static one => one.Request.Sender).ToList();
        Assert.Equal(senders[..3], senders[3..]);
        Assert.Equal(3, senders.Distinct().Count());
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Recording + ".key"));
    }

    [Fact]
    public async Task Full_disk_ends_the_recording_and_no_mail_and_room_begins_it_again()
    {
        File.CreateSymbolicLink(Recording, "/dev/full");
        await using var server = await PolicydProcess.Serve(Configure($"file = \"{Recording}\""), _port);
        await AskAsync(10);
        await server.Prints($"the recording {Recording} has ended");
        await AskAsync(10);
        File.Delete(Recording);
        server.User1();
        await Eventually.Holds("the new file", () => File.Exists(Recording));
        await AskAsync(10);
        await Stops(server);
        // Of those before, some may have been on their way to the disk.
        Assert.InRange((await ReadAsync(Recording)).Count, 10, 20);
        Assert.Single(server.Lines, static line => line.Contains("has ended", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Reload_begins_moves_and_ends_it()
    {
        var file = Configure("");
        await using var server = await PolicydProcess.Serve(file, _port);
        await AskAsync(1);
        Configure($"file = \"{Recording}\"");
        await ReloadsAsync(file);
        await AskAsync(2);
        Configure($"file = \"{_folder["other.jsonl"]}\"");
        await ReloadsAsync(file);
        await AskAsync(3);
        Configure($"file = \"{_folder["no folder"]}/requests.jsonl\"");
        var refused = await Command.RunAsync("", "reload", "-c", file);
        Assert.Equal(78, refused.ExitCode);
        Assert.Matches($@"{file}:\d+:\d+: record: cannot open the recording", refused.Error);
        await AskAsync(4);
        Configure("");
        await ReloadsAsync(file);
        await AskAsync(5);
        await Stops(server);
        Assert.Equal(2, (await ReadAsync(Recording)).Count);
        Assert.Equal(7, (await ReadAsync(_folder["other.jsonl"])).Count);
    }

    [Theory]
    [InlineData("max_size = 1MiB", "needs the option \"file\"")]
    [InlineData("file = r, max_size = 5KiB", "max_size: must be at least 1 MiB")]
    [InlineData("file = r, sample = 1.5", "sample")]
    [InlineData("file = r, mask = [recipent]", "mask: Postfix sends no attribute \"recipent\"")]
    public async Task Wrong_options_are_told_with_their_place(string record, string message)
    {
        var file = Configure(record);
        var result = await Command.RunAsync("", "check", "-c", file);
        Assert.Equal(78, result.ExitCode);
        Assert.Matches($@"{file}:\d+:\d+: ", result.Error);
        Assert.Contains(message, result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Folder_that_is_not_there_is_told_by_check()
    {
        var file = Configure($"file = \"{_folder["no folder"]}/requests.jsonl\"");
        var result = await Command.RunAsync("", "check", "-c", file);
        Assert.Equal(0, result.ExitCode);
        Assert.Matches($@"{file}:\d+:\d+: warning: record: the file: there is no folder", result.Error);
    }

    private string Configure(string record) => _folder.Write(
        "policyd.hocon",
        $$"""
        policyd {
          listen = [ "127.0.0.1:{{_port}}" ]
          admin { listen = "unix:{{_folder["admin.sock"]}}" }
          {{(record.Length == 0 ? "" : $"record {{ {record} }}")}}
          virtual_hosts = [ { name = x, port = {{_port}}, plugins = [ { name = answer, module = Action, action = "reject no" } ] } ]
        }
        """);

    private async Task AskAsync(int mails)
    {
        await using var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", _port), Cancel);
        for (var mail = 0; mail < mails; mail++)
        {
            var request = PolicyRequestBuilder.AccessPolicy().Add("protocol_state", "RCPT").Add("sender", $"{mail}@example.com")
                .Add("client_address", "192.0.2.7").Add("instance", $"i.{mail}");
            Assert.Equal("reject no", await client.AskAsync(request.ToBytes(), Cancel));
        }
    }

    private static async Task ReloadsAsync(string file)
    {
        var result = await Command.RunAsync("", "reload", "-c", file);
        Assert.True(result.ExitCode == 0, result.Error);
    }

    private static async Task Stops(ProcessUnderTest server)
    {
        server.Terminate();
        Assert.Equal(0, await server.Exits());
    }

    private static async Task<List<RecordedRequest>> ReadAsync(string path)
    {
        await using var file = new RecordedFile(path);
        var read = new List<RecordedRequest>();
        await foreach (var request in file.ReadAsync(Cancel))
        {
            read.Add(request);
        }

        Assert.True(file.Unreadable == 0, file.FirstError);
        return read;
    }
}
