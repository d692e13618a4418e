using Policyd.Bench.Micro;
using Xunit;

namespace Policyd.Tests.Bench;

/// <summary>What the micro-benchmarks run does what their names say: nobody looks at their results while the code changes.</summary>
public class MicroBenchmarkSpecs
{
    [Fact]
    public void Reader_benchmarks_read_the_same_request_from_any_segments()
    {
        var benchmarks = new ReaderBenchmarks();
        benchmarks.Setup();
        var whole = benchmarks.FrameAndRead();
        var cut = benchmarks.FrameInThreeSegmentsAndRead();
        Assert.Equal(29, whole.Count);
        Assert.Equal(whole.Attributes, cut.Attributes);
        Assert.True(benchmarks.FrameReadAndLookUp() > 0);
    }

    [Fact]
    public void Log_benchmarks_write_a_whole_line()
    {
        var benchmarks = new LogBenchmarks();
        Assert.Null(benchmarks.Record().Failure);
        Assert.InRange(benchmarks.Text(), 200, 600);
        Assert.InRange(benchmarks.Json(), 800, 1_600);
    }

    [Fact]
    public async Task Chain_benchmarks_run_to_their_last_module()
    {
        var benchmarks = new ChainBenchmarks();
        Assert.Equal("PREPEND X-MtScore: NO score=0", (await benchmarks.AddScoreHeader()).Action);
        var ten = await benchmarks.ChainOfTenModules();
        Assert.Equal("tag", ten.Plugin);
        // -1 of the TLS condition alone: every condition was asked, and only this one matched.
        Assert.StartsWith("PREPEND X-MtScore: NO score=-1", ten.Action, StringComparison.Ordinal);
    }
}
