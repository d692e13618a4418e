using Microsoft.Extensions.Logging;
using Policyd.Plugins.Sources;
using Policyd.Tests.Support;

namespace Policyd.Tests.Remote;

/// <summary>How many lines a source that is away costs.</summary>
public sealed class LogThrottleSpecs : IDisposable
{
    private readonly ManualClock _clock = new();
    private readonly LogCapture _log = new();
    private readonly SourceLog _source;
    private readonly ILogger _logger;

    public LogThrottleSpecs()
    {
        _source = new SourceLog("ldap", _clock);
        _logger = _log.CreateLogger("source");
    }

    [Fact]
    public void First_line_is_at_once_and_the_others_are_counted_every_ten_seconds()
    {
        for (var i = 0; i < 2001; i++)
        {
            _source.Away(_logger, i == 0 ? "refused" : null);
            Wait(0.01);
        }

        Assert.Equal(
            ["ldap: refused", "ldap: refused (999 more since the last line)", "ldap: refused (999 more since the last line)"], Lines());
    }

    [Fact]
    public void Return_is_told_with_time_and_count()
    {
        _source.Back(_logger);
        for (var i = 0; i < 7; i++)
        {
            _source.Away(_logger, "refused");
            Wait(0.5);
        }

        _source.Back(_logger);
        _source.Back(_logger);
        Assert.Equal(["ldap: refused", "ldap: answers again after 3.5 s; 7 calls went on without it"], Lines());
    }

    [Fact]
    public void Source_that_comes_and_goes_has_two_lines_in_ten_seconds_and_loses_no_count()
    {
        for (var i = 0; i < 3000; i++)
        {
            _source.Away(_logger, "refused");
            _source.Back(_logger);
            Wait(0.01);
        }

        Wait(10);
        _source.Back(_logger);
        var lines = Lines();
        Assert.InRange(lines.Count, 6, 8);
        Assert.Equal(3000, lines.Where(static line => line.Contains("went on without", StringComparison.Ordinal)).Sum(CountOf));
    }

    [Fact]
    public async Task Many_threads_get_one_line_and_an_exact_count()
    {
        var throttle = new LogThrottle(_clock);
        var let = 0;
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(
            () =>
            {
                for (var i = 0; i < 10_000; i++)
                {
                    if (throttle.Enter(out var _))
                    {
                        Interlocked.Increment(ref let);
                    }
                }
            },
            TestContext.Current.CancellationToken)));
        Assert.Equal(1, let);
        Assert.True(throttle.Leave(out var _, out var count));
        Assert.Equal(40_000, count);
    }

    public void Dispose() => _log.Dispose();

    private static int CountOf(string line) =>
        int.Parse(line.Split(" s; ")[1].Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture);

    private IReadOnlyList<string> Lines() => [.. _log.Lines.Select(static line => line.Message)];

    private void Wait(double seconds) => _clock.Advance(TimeSpan.FromSeconds(seconds));
}
