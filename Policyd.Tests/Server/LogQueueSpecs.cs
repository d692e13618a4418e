using Policyd.Server.Logging;
using Policyd.Tests.Support;

namespace Policyd.Tests.Server;

public sealed class LogQueueSpecs(ITestOutputHelper output)
{
    /// <summary>The first line wakes its writer. After several lines that looks again by itself, and is not woken for the next.</summary>
    [Fact]
    public async Task A_line_is_written_whether_its_writer_sleeps_or_is_about_to_look_again()
    {
        var seed = TestSeed.Next();
        output.WriteLine($"POLICYD_SEED={seed}");
        var random = new Random(seed);
        var sink = new CountingSink();
        var sent = 0;
        using var queue = new LogQueue([sink]);
        for (var round = 0; round < 200; round++)
        {
            for (var lines = random.Next(1, 5); lines > 0; lines--)
            {
                queue.Write(new LogEvent(DateTimeOffset.UnixEpoch, LogSeverity.Notice, "line"));
                sent++;
            }

            if (random.Next(3) == 0)
            {
                queue.Reopen();
            }

            if (random.Next(2) == 0)
            {
                await Eventually.Holds($"{sent} lines to be written", () => sink.Lines == sent);
            }
        }

        await Eventually.Holds("the rest", () => sink.Lines == sent);
    }

    [Fact]
    public async Task A_line_too_large_for_the_queue_is_told_of_at_once()
    {
        var sink = new CountingSink();
        using var queue = new LogQueue([sink], mostBytes: 10);
        queue.Write(new LogEvent(DateTimeOffset.UnixEpoch, LogSeverity.Notice, new string('x', 100_000)));
        await Eventually.Holds("the line that tells of it", () => sink.Lines == 1);
    }

    private sealed class CountingSink : ILogSink
    {
        private int _lines;

        public int Lines => Volatile.Read(ref _lines);

        public void Write(ReadOnlySpan<LogEvent> batch) => Interlocked.Add(ref _lines, batch.Length);

        public void Reopen()
        {
        }

        public void Dispose()
        {
        }
    }
}
