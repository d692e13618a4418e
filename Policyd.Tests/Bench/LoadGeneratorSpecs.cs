using System.Net.Sockets;
using Policyd.Bench.Load;
using Xunit;

namespace Policyd.Tests.Bench;

/// <summary>The load generator against servers that behave, close, stall or answer wrongly: every request is accounted for.</summary>
public class LoadGeneratorSpecs
{
    private static readonly byte[] Dunno = "action=dunno\n\n"u8.ToArray();

    [Fact]
    public async Task Run_of_N_requests_sends_exactly_N()
    {
        using var server = new ScriptedServer(_ => new(Dunno));
        var report = await RunAsync(new LoadOptions { Endpoint = server.Endpoint, Connections = 3, Requests = 1000, Expect = "dunno" });
        Assert.Equal((1000, 1000, 0L), (report.Requests, server.Requests, report.Errors.Total));
        Assert.InRange(report.Microseconds.P50, report.Microseconds.Min, report.Microseconds.Max);
    }

    [Fact]
    public async Task Timed_run_ends_and_counts_the_warm_up_apart()
    {
        using var server = new ScriptedServer(_ => new(Dunno));
        var options = new LoadOptions
        {
            Endpoint = server.Endpoint,
            Connections = 2,
            Duration = TimeSpan.FromMilliseconds(200),
            Warmup = TimeSpan.FromMilliseconds(200),
        };
        var report = await RunAsync(options);
        Assert.Equal(0, report.Errors.Total);
        Assert.InRange(report.Requests, 1, server.Requests - 1);
        Assert.InRange(report.Seconds, 0.1, 0.2001);
    }

    [Fact]
    public async Task Closed_connection_is_counted_and_opened_again()
    {
        using var server = new ScriptedServer(number => new(number % 10 == 9 ? null : Dunno));
        var report = await RunAsync(new LoadOptions { Endpoint = server.Endpoint, Connections = 2, Requests = 40 });
        Assert.Equal((36L, 4L, 4L), (report.Requests, report.Errors.Closed, report.Errors.Total));
    }

    [Fact]
    public async Task Slow_answer_is_a_time_out_and_no_latency()
    {
        var never = new TaskCompletionSource<byte[]?>();
        using var server = new ScriptedServer(number => number == 1 ? new(never.Task) : new(Dunno));
        var options = new LoadOptions
        {
            Endpoint = server.Endpoint,
            Connections = 1,
            Requests = 5,
            Timeout = TimeSpan.FromMilliseconds(300),
        };
        var report = await RunAsync(options);
        Assert.Equal((4L, 1L, 1L), (report.Requests, report.Errors.TimedOut, report.Errors.Total));
        never.SetResult(null);
    }

    [Fact]
    public async Task Rate_is_kept_and_late_answers_count_from_the_time_they_were_due()
    {
        // Due every 10 ms on one connection, and the first answer takes 400 ms: the other four are due long before they are sent.
        using var server = new ScriptedServer(async number =>
        {
            if (number == 0)
            {
                await Task.Delay(400);
            }

            return Dunno;
        });
        var report = await RunAsync(new LoadOptions { Endpoint = server.Endpoint, Connections = 1, Requests = 5, Rate = 100 });
        Assert.Equal((5L, 0L), (report.Requests, report.Errors.Total));
        Assert.True(report.Microseconds.Min >= 350_000, $"the fastest took {report.Microseconds.Min} µs");
    }

    [Fact]
    public async Task Run_at_a_rate_takes_its_time_and_sends_what_is_due_in_it()
    {
        using var server = new ScriptedServer(_ => new(Dunno));
        var options = new LoadOptions
        {
            Endpoint = server.Endpoint,
            Connections = 4,
            Rate = 200,
            Duration = TimeSpan.FromMilliseconds(500),
            Warmup = TimeSpan.FromMilliseconds(250),
        };
        var report = await RunAsync(options);
        Assert.Equal(0, report.Errors.Total);
        // The warm-up ends with the first request that is due after it.
        Assert.Equal((100L, 150), (report.Requests, server.Requests));
    }

    [Fact]
    public async Task Requests_that_found_no_free_connection_are_errors()
    {
        var never = new TaskCompletionSource<byte[]?>();
        using var server = new ScriptedServer(_ => new(never.Task));
        var options = new LoadOptions
        {
            Endpoint = server.Endpoint,
            Connections = 1,
            Rate = 100,
            Duration = TimeSpan.FromMilliseconds(200),
            // Later than the second that a request which is due may still wait for a connection.
            Timeout = TimeSpan.FromSeconds(1.4),
        };
        var report = await RunAsync(options);
        Assert.Equal((0L, 1L, 19L), (report.Requests, report.Errors.TimedOut, report.Errors.Unsent));
        never.SetResult(null);
    }

    [Fact]
    public async Task Connection_that_is_closed_while_it_waits_comes_back()
    {
        using var server = new ScriptedServer(number => new(number % 5 == 4 ? null : Dunno));
        var report = await RunAsync(new LoadOptions { Endpoint = server.Endpoint, Connections = 2, Requests = 20, Rate = 500 });
        Assert.Equal((16L, 4L, 4L), (report.Requests, report.Errors.Closed, report.Errors.Total));
    }

    [Fact]
    public async Task Unexpected_action_is_counted_with_the_first_one_shown()
    {
        using var server = new ScriptedServer(number => new(number == 2 ? "action=reject \x01no\n\n"u8.ToArray() : Dunno));
        var report = await RunAsync(new LoadOptions { Endpoint = server.Endpoint, Connections = 1, Requests = 6, Expect = "dunno" });
        Assert.Equal(
            (6L, 1L, 1L, "reject \\x01no"), (report.Requests, report.Errors.Unexpected, report.Errors.Total, report.FirstWrongAnswer));
    }

    [Theory]
    [InlineData("action=\n\n")]
    [InlineData("foo=bar\n\n")]
    [InlineData("action=a\naction=b\n\n")]
    [InlineData("action=dunno\n\naction=dunno\n\n")]
    public async Task Answer_that_Postfix_would_not_obey_is_malformed(string answer)
    {
        using var server = new ScriptedServer(number => new(number == 0 ? System.Text.Encoding.UTF8.GetBytes(answer) : Dunno));
        var report = await RunAsync(new LoadOptions { Endpoint = server.Endpoint, Connections = 1, Requests = 3 });
        Assert.Equal((2L, 1L, 1L), (report.Requests, report.Errors.Malformed, report.Errors.Total));
    }

    [Fact]
    public async Task Runs_of_the_same_second_share_no_instance()
    {
        var instances = new System.Collections.Concurrent.ConcurrentBag<string>();
        using var server = new ScriptedServer((_, request) =>
        {
            instances.Add(request.Split('\n').Single(line => line.StartsWith("instance=", StringComparison.Ordinal)));
            return new(Dunno);
        });
        const int Runs = 20;
        for (var run = 0; run < Runs; run++)
        {
            var report = await RunAsync(new LoadOptions { Endpoint = server.Endpoint, Connections = 2, Requests = 10 });
            Assert.Equal((10L, 0L), (report.Requests, report.Errors.Total));
        }

        Assert.Equal(Runs * 10, instances.Distinct().Count());
    }

    [Fact]
    public async Task Server_that_is_not_there_fails_the_run()
    {
        using var server = new ScriptedServer(_ => new(Dunno));
        var endpoint = server.Endpoint;
        server.Dispose();
        await Assert.ThrowsAsync<SocketException>(() => RunAsync(new LoadOptions { Endpoint = endpoint, Requests = 1 }));
    }

    [Fact]
    public async Task Request_larger_than_the_socket_takes_at_once_arrives_whole()
    {
        using var server = new ScriptedServer(_ => new(Dunno));
        var attributes = new KeyValuePair<string, string>[] { new("padding", new string('x', 60_000)) };
        var report = await RunAsync(
            new LoadOptions { Endpoint = server.Endpoint, Connections = 4, Requests = 50, Attributes = attributes });
        Assert.Equal((50L, 0L, 50), (report.Requests, report.Errors.Total, server.Requests));
    }

    [Fact]
    public async Task Memory_and_processor_time_of_the_named_process_are_reported()
    {
        using var server = new ScriptedServer(_ => new(Dunno));
        var report = await RunAsync(new LoadOptions { Endpoint = server.Endpoint, Requests = 10, ServerPid = Environment.ProcessId });
        Assert.InRange(report.Memory!.Min, 1, report.Memory.Max);
        Assert.True(report.ProcessorMicroseconds > 0, $"{report.ProcessorMicroseconds} µs a request");
    }

    private static async Task<LoadReport> RunAsync(LoadOptions options)
    {
        if (!OperatingSystem.IsLinux())
        {
            Assert.Skip("the load generator needs Linux's epoll");
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(TimeSpan.FromSeconds(30));
        var report = await Task.Run(
            () =>
            {
                using var generator = new LoadGenerator(options);
                return generator.Run(limit.Token);
            },
            TestContext.Current.CancellationToken);
        Assert.False(limit.IsCancellationRequested, "the run has not ended within 30 s");
        return report;
    }
}
