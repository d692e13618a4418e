using System.Net.Sockets;
using Policyd.Bench.Runtime;
using Policyd.Tests.Support;
using Xunit;

namespace Policyd.Tests.Bench;

/// <summary>What a runtime reports of its garbage, its work items and its pauses, added up.</summary>
public class RuntimeTallySpecs
{
    private static readonly DateTime Start = new(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    [Fact]
    public void Counters_add_up_until_they_are_taken()
    {
        var tally = new RuntimeTally();
        tally.Count("alloc-rate", 100, Start);
        tally.Count("alloc-rate", 50, Start);
        tally.Count("threadpool-completed-items-count", 7, Start);
        tally.Count("cpu-usage", 99, Start);
        Assert.Equal((150.0, 7.0), Sums(tally.Take()));
        tally.Count("alloc-rate", 1, Start);
        Assert.Equal((1.0, 0.0), Sums(tally.Take()));
    }

    [Fact]
    public void Time_is_covered_when_both_counters_have_come_after_it()
    {
        var tally = new RuntimeTally();
        Assert.False(tally.Covers(Start));
        tally.Count("alloc-rate", 1, Start.AddSeconds(2));
        Assert.False(tally.Covers(Start.AddSeconds(1)));
        tally.Count("threadpool-completed-items-count", 1, Start.AddSeconds(2));
        Assert.True(tally.Covers(Start.AddSeconds(1)));
        Assert.False(tally.Covers(Start.AddSeconds(3)));
    }

    [Fact]
    public void Pause_is_from_the_stop_of_the_threads_to_their_going_on()
    {
        var tally = new RuntimeTally();
        // The begin of what stopped the threads for another reason is not told.
        tally.Resume(5);
        tally.Suspend(10);
        tally.Resume(12.5);
        tally.Suspend(20);
        tally.Resume(21);
        tally.Resume(30);
        var figures = tally.Take();
        Assert.Equal([2.5, 1], figures.Pauses);
        Assert.Equal((2.5, 3.5), (figures.LongestPause, figures.TotalPause));
        Assert.Equal((0.0, 0.0), (tally.Take().LongestPause, tally.Take().TotalPause));
    }

    [Fact]
    public async Task Garbage_of_a_process_is_read_through_its_diagnostics_port()
    {
        var cancellation = TestContext.Current.CancellationToken;
        var watch = await RuntimeWatch.StartAsync(Environment.ProcessId, cancellation);
        Assert.NotNull(watch);
        await using (watch)
        {
            const int Bytes = 50_000_000;
            GC.KeepAlive(new byte[Bytes]);
            GC.Collect();
            var figures = await watch.TakeAsync(cancellation);
            Assert.True(figures.AllocatedBytes >= Bytes, $"{figures.AllocatedBytes} bytes");
            Assert.NotEmpty(figures.Pauses);
            Assert.All(figures.Pauses, pause => Assert.True(pause >= 0, $"{pause} ms"));
        }
    }

    [Theory]
    [ServerTest]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Process_without_a_runtime_has_no_figures(bool numberWasOfAKilledOne)
    {
        TestKinds.MayStart("/bin/sleep");
        var cancellation = TestContext.Current.CancellationToken;
        using var process = System.Diagnostics.Process.Start("/bin/sleep", ["60"]);
        var port = Path.Combine(Path.GetTempPath(), $"dotnet-diagnostic-{process.Id}-1-socket");
        try
        {
            if (numberWasOfAKilledOne)
            {
                LeaveSocket(port);
            }

            Assert.Null(await RuntimeWatch.StartAsync(process.Id, cancellation));
            var none = await Assert.ThrowsAsync<InvalidOperationException>(() => HeapSize.ReadAsync(process.Id, cancellation));
            Assert.Contains($"The heap of process {process.Id} cannot be read", none.Message, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(port);
            process.Kill();
            await process.WaitForExitAsync(cancellation);
        }
    }

    /// <summary>The socket's file without a listener, as a killed process leaves it: .NET removes the file of a socket it closes.</summary>
    private static void LeaveSocket(string path)
    {
        var bound = path + ".bound";
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(bound));
        File.Move(bound, path);
    }

    private static (double Allocated, double WorkItems) Sums(RuntimeFigures figures) => (figures.AllocatedBytes, figures.WorkItems);
}
