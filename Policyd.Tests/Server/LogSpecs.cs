using System.Buffers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Policyd.Engine.Logging;
using Policyd.Plugins.Logging;
using Policyd.Protocol;
using Policyd.Server.ExitCodes;
using Policyd.Server.Hosting;
using Policyd.Server.Logging;
using Policyd.Server.Recording;
using Policyd.Tests.Support;
using Xunit;

namespace Policyd.Tests.Server;

public sealed class LogSpecs : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("policyd-log-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    [ServerTest]
    public async Task A_file_that_is_a_FIFO_is_opened_while_somebody_reads_it_and_otherwise_refused_at_once()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "only Linux is asked without waiting");
        var path = Path.Combine(_folder, "fifo");
        Assert.Equal(0, (await ProcessUnderTest.Run(Needs.Program("mkfifo"), path)).ExitCode);
        var refused = await Assert.ThrowsAsync<CommandException>(() => Eventually.Ends(
            "the log's opening",
            Task.Run(() => new LogSettings { File = path }.Open(Stream.Null))));
        Assert.Equal(
            (ExitCode.CannotCreate, $"cannot open the log file {path}: it is a FIFO that nobody reads, or a socket"),
            (refused.ExitCode, refused.Message));
        refused = await Assert.ThrowsAsync<CommandException>(() => Eventually.Ends("the pid file", Task.Run(() => new PidFile(path))));
        Assert.Equal($"cannot write the pid_file {path}: it is a FIFO that nobody reads, or a socket", refused.Message);

        var reading = Task.Run(() => File.ReadAllText(path), TestContext.Current.CancellationToken);
        FileStream? file = null;
        await Eventually.Holds("the FIFO's reader", () => (file = OpenedOrNull(path)) is not null);
        using (file)
        {
            AppendedFile.Write(file!, "line\n"u8);
        }

        Assert.Equal("line\n", await Eventually.Ends("the FIFO's end", reading));

        // A recording counts the bytes of its file.
        reading = Task.Run(() => File.ReadAllText(path), TestContext.Current.CancellationToken);
        var told = "";
        await Eventually.Holds("the recording's refusal", () =>
        {
            told = Assert.Throws<IOException>(() => new RecordFile(path, 1 << 20, new ValueMask([], []), static _ => { })).Message;
            return told != "it is a FIFO that nobody reads, or a socket";
        });
        Assert.Equal("it is a FIFO, and a recording needs a file", told);
        await Eventually.Ends("the FIFO's end", reading);

        static FileStream? OpenedOrNull(string path)
        {
            try
            {
                return AppendedFile.Open(path, AppendedFile.Own);
            }
            catch (IOException)
            {
                return null;
            }
        }
    }

    [Theory]
    [InlineData("plain text, ümlaut and 😀", "plain text, ümlaut and 😀")]
    [InlineData("a\nforged: line\r", "a\\nforged: line\\r")]
    [InlineData("\u001b[31mred\u009b0m", "\\x1b[31mred\\x9b0m")]
    [InlineData("nul\0tab\tdel\u007f", "nul\\x00tab\\tdel\\x7f")]
    [InlineData("evil\u202egnp.exe\u2066\u200f\ufeff", "evil\\u202egnp.exe\\u2066\\u200f\\ufeff")]
    [InlineData("one\u2028two\u2029three\u0085", "one\\u2028two\\u2029three\\x85")]
    public void A_line_shows_what_could_forge_or_reorder_it(string text, string expected) =>
        Assert.Equal(expected, LogText.OneLine(text));

    [Fact]
    public void A_line_shows_a_lone_surrogate_and_is_bounded()
    {
        Assert.Equal("a\\ud800b", LogText.OneLine("a\ud800b"));
        var longest = LogText.OneLine(new string('x', 100_000));
        Assert.EndsWith("...", longest, StringComparison.Ordinal);
        Assert.Equal(LogText.MaxLength + 3, longest.Length);
    }

    [Fact]
    public void Levels_are_filtered_as_mtpolicyd_numbers_them()
    {
        var sink = new RecordingSink();
        using (var queue = new LogQueue([sink]))
        {
            var logger = new PolicydLogger(queue, LogSeverity.Notice, TimeProvider.System);
            foreach (var level in Enum.GetValues<LogLevel>())
            {
                logger.Log(level, "{Level}", level);
            }
        }

        Assert.Equal(["notice Information", "warning Warning", "err Error", "err Critical"], sink.Lines);
    }

    [Fact]
    public void An_exception_is_part_of_the_one_line()
    {
        var sink = new RecordingSink();
        using (var queue = new LogQueue([sink]))
        {
            var logger = new PolicydLogger(queue, LogSeverity.Info, TimeProvider.System);
            logger.LogError(new InvalidOperationException("outer", new IOException("in\nner")), "it failed");
        }

        Assert.Equal("err it failed: InvalidOperationException: outer: IOException: in\\nner", Assert.Single(sink.Lines));
    }

    [Fact]
    public void A_full_queue_drops_lines_without_waiting_and_tells_how_many()
    {
        using var sink = new RecordingSink(blocked: true);
        using (var queue = new LogQueue([sink], capacity: 10))
        {
            queue.Write(Line("first"));
            Assert.True(
                sink.Entered.Wait(Eventually.Timeout, TestContext.Current.CancellationToken), "the writer took no line");
            for (var i = 0; i < 25; i++)
            {
                queue.Write(Line($"line {i}"));
            }

            sink.Unblock();
        }

        Assert.Equal(12, sink.Lines.Count);
        Assert.Equal("notice line 9", sink.Lines[10]);
        Assert.Equal("warning log: 15 lines were dropped because the log could not keep up", sink.Lines[11]);
    }

    [Fact]
    public void A_queue_writes_every_line_of_every_thread_before_it_is_closed()
    {
        var sink = new RecordingSink();
        using (var queue = new LogQueue([sink], capacity: 8000))
        {
            Parallel.For(0, 8, thread =>
            {
                for (var i = 0; i < 1000; i++)
                {
                    queue.Write(Line($"{thread}.{i}"));
                }
            });
        }

        Assert.Equal(8000, sink.Lines.Distinct().Count());
        foreach (var thread in sink.Lines.GroupBy(line => line.Split(' ', '.')[1]))
        {
            Assert.Equal(Enumerable.Range(0, 1000).Select(i => $"notice {thread.Key}.{i}"), thread);
        }
    }

    [Fact]
    public void A_failing_sink_keeps_no_line_from_the_others()
    {
        var sink = new RecordingSink();
        using (var queue = new LogQueue([new FailingSink(), sink]))
        {
            queue.Write(Line("kept"));
        }

        Assert.Equal("notice kept", Assert.Single(sink.Lines));
    }

    [Fact]
    public async Task A_sink_that_works_again_is_told_how_many_lines_it_missed()
    {
        var sink = new RecordingSink { Fails = true };
        using (var queue = new LogQueue([sink]))
        {
            queue.Write(Line("lost"));
            await Eventually.Holds("the first line to be refused", () => sink.Failures == 1);
            queue.Write(Line("lost too"));
            await Eventually.Holds("the second line to be refused", () => sink.Failures == 2);
            sink.Fails = false;
            queue.Write(Line("kept"));
            await Eventually.Holds("the third line to be written", () => sink.Written == 2);
            queue.Write(Line("kept too"));
        }

        Assert.Equal(
            ["warning log: 2 lines were lost because they could not be written", "notice kept", "notice kept too"], sink.Lines);
    }

    [Theory]
    [InlineData(LineFormat.Systemd, "<4>a\\nb\n")]
    [InlineData(LineFormat.Plain, "2026-01-02T03:04:05.678+00:00 warning: a\\nb\n")]
    internal void A_console_line_has_its_format(LineFormat format, string expected)
    {
        using var stream = new MemoryStream();
        new StreamSink(stream, format).Write([new LogEvent(At, LogSeverity.Warning, "a\nb")]);
        Assert.Equal(expected, Encoding.UTF8.GetString(stream.ToArray()));
    }

    [Fact]
    public void A_rotated_log_file_is_opened_anew()
    {
        var path = Path.Combine(_folder, "policyd.log");
        using (var sink = new FileSink(path))
        {
            sink.Write([Line("old")]);
            File.Move(path, path + ".1");
            sink.Write([Line("still old")]);
            sink.Reopen();
            sink.Write([Line("new")]);
        }

        Assert.Equal(2, File.ReadAllLines(path + ".1").Length);
        Assert.EndsWith(" notice: new", Assert.Single(File.ReadAllLines(path)), StringComparison.Ordinal);
    }

    [Fact]
    public void A_log_file_is_appended_to_wherever_its_end_is_meanwhile()
    {
        // A policyd cron beside the server, or logrotate with copytruncate.
        var path = Path.Combine(_folder, "policyd.log");
        using var sink = new FileSink(path);
        sink.Write([Line("first")]);
        File.AppendAllText(path, "of another process\n");
        sink.Write([Line("second")]);
        var lines = File.ReadAllLines(path);
        Assert.Equal(3, lines.Length);
        Assert.Equal("of another process", lines[1]);

        File.WriteAllText(path, "");
        sink.Write([Line("third")]);
        Assert.EndsWith(" notice: third", Assert.Single(File.ReadAllLines(path)), StringComparison.Ordinal);
        Assert.DoesNotContain((byte)0, File.ReadAllBytes(path));
    }

    [Fact]
    public void A_folder_in_the_place_of_the_log_file_is_told()
    {
        var error = Assert.Throws<CommandException>(() => new LogSettings { File = _folder }.Open());
        Assert.Equal(ExitCode.CannotCreate, error.ExitCode);
        Assert.EndsWith(": it is a folder", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Half_a_line_that_a_dead_server_left_is_ended_before_the_next()
    {
        var path = Path.Combine(_folder, "policyd.log");
        File.WriteAllText(path, "whole\nhal");
        using (var sink = new FileSink(path))
        {
            sink.Write([Line("next")]);
        }

        using (var again = new FileSink(path))
        {
            again.Write([Line("last")]);
        }

        var lines = File.ReadAllLines(path);
        Assert.Equal(4, lines.Length);
        Assert.Equal("hal", lines[1]);
    }

    [Fact]
    public void A_part_of_a_line_that_a_full_disk_took_is_cut_off()
    {
        var path = Path.Combine(_folder, "policyd.log");
        using (var file = AppendedFile.Open(path, AppendedFile.Own))
        {
            AppendedFile.Write(file, "whole\n"u8);
            var before = file.Length;
            file.Write("ha"u8);
            AppendedFile.TakeBack(file, before, most: 5);
            AppendedFile.Write(file, "next\n"u8);
        }

        Assert.Equal(["whole", "next"], File.ReadAllLines(path));
    }

    [Fact]
    public void Syslog_gets_rfc3164_datagrams_of_facility_mail()
    {
        var path = Path.Combine(_folder, "log");
        using var syslogd = Bind(path);
        using var sink = new SyslogSink(path, "policyd", 4711, TimeProvider.System);
        sink.Write([new LogEvent(At, LogSeverity.Error, "no\nforgery"), new LogEvent(At, LogSeverity.Debug, "ü")]);
        Assert.Equal("<19>Jan  2 03:04:05 policyd[4711]: no\\nforgery", Receive(syslogd));
        Assert.Equal("<23>Jan  2 03:04:05 policyd[4711]: ü", Receive(syslogd));
    }

    [Fact]
    public void Syslog_is_connected_again_when_it_was_away_and_is_told_what_it_missed()
    {
        var path = Path.Combine(_folder, "log");
        var clock = new ManualClock();
        using var sink = new SyslogSink(path, "policyd", 1, clock);
        using (var first = Bind(path))
        {
            sink.Write([Line("one")]);
            Assert.EndsWith(": one", Receive(first), StringComparison.Ordinal);

            // Closing alone is not enough: a process that another test starts at this moment holds the socket too, from its fork to its
            // exec.
            first.Shutdown(SocketShutdown.Both);
        }

        File.Delete(path);
        sink.Write([Line("lost"), Line("lost too")]);
        using var second = Bind(path);
        sink.Write([Line("lost within the second")]);
        clock.Advance(TimeSpan.FromSeconds(2));
        sink.Write([Line("back")]);
        Assert.EndsWith("log: 3 lines were lost while syslog was unavailable", Receive(second), StringComparison.Ordinal);
        Assert.EndsWith(": back", Receive(second), StringComparison.Ordinal);
    }

    [Fact]
    public void Syslog_gets_a_long_text_cut_between_characters_and_a_long_object_with_less_of_its_request()
    {
        var path = Path.Combine(_folder, "log");
        using var syslogd = Bind(path);
        var request = PolicyRequestBuilder.AccessPolicy().Add("sender", "a@example.org").Add("x", new string('ä', 20_000)).ToRequest();
        using (var text = new SyslogSink(path, "policyd", 1, TimeProvider.System))
        {
            text.Write([new LogEvent(At, LogSeverity.Debug, new ReceivedRequest("in", request))]);
            var line = Receive(syslogd);
            Assert.StartsWith(
                "<23>Jan  2 03:04:05 policyd[1]: in: request: request=smtpd_access_policy sender=a@example.org x=\"ä",
                line,
                StringComparison.Ordinal);
            Assert.EndsWith("ä...", line, StringComparison.Ordinal);
            Assert.InRange(Encoding.UTF8.GetByteCount(line), SyslogSink.MaxBytes, SyslogSink.MaxBytes + 50);
        }

        using var json = new SyslogSink(path, "policyd", 1, TimeProvider.System, LogFormat.Json);
        json.Write([new LogEvent(At, LogSeverity.Notice, new RequestRecord { VirtualHost = "in", Request = request, Action = "dunno" })]);
        var datagram = Receive(syslogd);
        using var parsed = JsonDocument.Parse(datagram[datagram.IndexOf('{', StringComparison.Ordinal)..]);
        Assert.True(parsed.RootElement.GetProperty("request_cut").GetBoolean());
        Assert.Equal("a@example.org", parsed.RootElement.GetProperty("request").GetProperty("sender").GetString());
        Assert.Equal("dunno", parsed.RootElement.GetProperty("action").GetString());
    }

    [Fact]
    public void A_queue_of_large_requests_is_bounded_by_their_memory()
    {
        var request = PolicyRequestBuilder.AccessPolicy().Add("x", new string('x', 1_000)).ToRequest();
        using var sink = new RecordingSink(blocked: true);
        using (var queue = new LogQueue([sink], capacity: 100, mostBytes: 5_000))
        {
            queue.Write(Line("first"));
            Assert.True(
                sink.Entered.Wait(Eventually.Timeout, TestContext.Current.CancellationToken), "the writer took no line");
            for (var i = 0; i < 7; i++)
            {
                queue.Write(new LogEvent(At, LogSeverity.Debug, new ReceivedRequest("x", request)));
            }

            sink.Unblock();
        }

        Assert.Equal(6, sink.Lines.Count);
        Assert.Equal("warning log: 3 lines were dropped because the log could not keep up", sink.Lines[^1]);
    }

    [Fact]
    public void A_record_is_told_once_when_its_line_is_written_or_dropped()
    {
        var (shown, dropped) = (new ToldRecord("shown"), new ToldRecord("dropped"));
        using var sink = new RecordingSink(blocked: true);
        using (var queue = new LogQueue([sink], capacity: 1))
        {
            queue.Write(Line("first"));
            Assert.True(sink.Entered.Wait(Eventually.Timeout, TestContext.Current.CancellationToken), "the writer took no line");
            queue.Write(new LogEvent(At, LogSeverity.Debug, shown));
            queue.Write(new LogEvent(At, LogSeverity.Debug, dropped));
            Assert.Equal((0, 1), (shown.Told, dropped.Told));
            sink.Unblock();
        }

        Assert.Contains(sink.Lines, static line => line.EndsWith("shown", StringComparison.Ordinal));
        Assert.DoesNotContain(sink.Lines, static line => line.EndsWith("dropped", StringComparison.Ordinal));
        Assert.Equal((1, 1), (shown.Told, dropped.Told));
    }

    private sealed class ToldRecord(string text) : LogRecord
    {
        public int Told { get; private set; }

        public override void WriteText(ArrayBufferWriter<byte> line)
        {
            Assert.Equal(0, Told);
            line.Write(Encoding.UTF8.GetBytes(text));
        }

        public override void WriteJson(JsonMembers members) => throw new NotSupportedException();

        public override void Written() => Told++;
    }

    [Fact]
    public void A_json_line_has_the_parts_of_its_message_and_its_exception()
    {
        using var stream = new MemoryStream();
        using (var queue = new LogQueue([new StreamSink(stream, LineFormat.Plain, LogFormat.Json)]))
        {
            ILogger logger = new PolicydLogger(queue, LogSeverity.Info, TimeProvider.System);
            logger.LogError(new IOException("in\nner"), "{VirtualHost}: {Count} of {Peer} at {Time}", "x", 3, "a \"b\"", "noon");
            logger.LogInformation("plain \u202e text");
        }

        var lines = Encoding.UTF8.GetString(stream.ToArray()).TrimEnd('\n').Split('\n');
        Assert.Matches(
            """^\{"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d","level":"err","message":"x: 3 of a \\"b\\" at """
                + """noon","virtual_host":"x","count":3,"peer":"a \\"b\\"","its_time":"noon","exception":"IOException: in\\nner"\}$""",
            lines[0]);
        Assert.EndsWith("""
            "level":"notice","message":"plain \u202e text"}
            """, lines[1], StringComparison.Ordinal);
    }

    private static readonly DateTimeOffset At = new(2026, 1, 2, 3, 4, 5, 678, TimeSpan.Zero);

    private static LogEvent Line(string text) => new(At, LogSeverity.Notice, text);

    private static Socket Bind(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { ReceiveTimeout = 10_000 };
        socket.Bind(new UnixDomainSocketEndPoint(path));
        return socket;
    }

    private static string Receive(Socket socket)
    {
        var buffer = new byte[65536];
        return Encoding.UTF8.GetString(buffer, 0, socket.Receive(buffer));
    }

    private sealed class FailingSink : ILogSink
    {
        public void Write(ReadOnlySpan<LogEvent> batch) => throw new IOException("disk full");

        public void Reopen() => throw new IOException("disk full");

        public void Dispose()
        {
        }
    }

    [Fact]
    public void A_standard_output_that_is_closed_is_an_IO_error_and_a_standard_error_says_nothing_of_it()
    {
        using var output = new StandardStream(new ClosedStream(), isLastResort: false);
        Assert.Equal("the standard output is closed", Assert.Throws<IOException>(() => output.Write("x"u8)).Message);
        using var error = new StandardStream(new ClosedStream(), isLastResort: true);
        error.Write("x"u8);
    }

    // As .NET's stream of a console whose descriptor is closed.
    private sealed class ClosedStream : MemoryStream
    {
        public override void Write(ReadOnlySpan<byte> buffer) => throw new UnauthorizedAccessException("Access to the path is denied.");
    }

    private sealed class RecordingSink(bool blocked = false) : ILogSink
    {
        private readonly ManualResetEventSlim _go = new(!blocked);
        private bool _fails;
        private int _failures;
        private int _written;

        public List<string> Lines { get; } = [];

        public ManualResetEventSlim Entered { get; } = new();

        public bool Fails
        {
            get => Volatile.Read(ref _fails);
            set => Volatile.Write(ref _fails, value);
        }

        public int Failures => Volatile.Read(ref _failures);

        public int Written => Volatile.Read(ref _written);

        public void Write(ReadOnlySpan<LogEvent> batch)
        {
            Entered.Set();
            _go.Wait();
            if (Fails)
            {
                Interlocked.Increment(ref _failures);
                throw new IOException("disk full");
            }

            foreach (var line in batch)
            {
                Lines.Add($"{line.Severity.Name()} {line.Text()}");
            }

            Interlocked.Increment(ref _written);
        }

        public void Reopen()
        {
        }

        public void Unblock() => _go.Set();

        public void Dispose()
        {
        }
    }
}
