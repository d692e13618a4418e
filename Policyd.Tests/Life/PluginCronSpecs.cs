using System.Diagnostics.Metrics;
using Policyd.Configuration.Hocon;
using Policyd.Engine.Building;
using Policyd.Engine.Loading;
using Policyd.Engine.Model;
using Policyd.Plugins.Metrics;
using Policyd.Tests.Support;
using static Policyd.Tests.Life.LivingPlugin;

namespace Policyd.Tests.Life;

/// <summary>Periodic work that takes too long keeps no other plugin from its own.</summary>
public sealed class PluginCronSpecs : IDisposable
{
    private readonly LogCapture _log = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _log.Dispose();

    [Fact, SoakTest("waits until work is given up")]
    public async Task Work_that_never_ends_is_given_up_and_skipped_until_it_has_ended()
    {
        var (runs, others, late) = (0, 0, 0L);
        using var listener = Listen("stuck", count => Interlocked.Add(ref late, count));
        using var release = new ManualResetEventSlim();
        var model = Model(
            Section(new Script { Cron = _ => Blocks(ref runs, release) }, "stuck"),
            Section(new Script { Cron = _ => Counts(ref others) }, "other"));

        Assert.Equal(1, await model.CronAsync(["hourly"], Cancel));
        Assert.Single(_log.Containing("cron of plugin stuck (test) has not ended within 1s (cron: timeout) and runs on"));
        Assert.Equal(1, await model.CronAsync(["hourly"], Cancel));
        Assert.Single(_log.Containing("cron of plugin stuck (test) is skipped: its former run has not ended yet"));
        Assert.Equal((1, 2, 2L), (runs, others, Interlocked.Read(ref late)));

        release.Set();
        await Eventually.Holds("the work to have its turn again", async () =>
        {
            await model.CronAsync(["hourly"], Cancel);
            return Volatile.Read(ref runs) == 2;
        });
    }

    [Fact]
    public async Task Work_that_heeds_its_cancellation_is_told_to_have_been_cancelled()
    {
        var model = Model(Section(new Script { Cron = static async cron => await Task.Delay(Timeout.Infinite, cron.Cancellation) }));
        Assert.Equal(1, await model.CronAsync(["hourly"], Cancel));
        Assert.Single(_log.Containing("cron of plugin living (test) was cancelled after 1s (cron: timeout)"));
    }

    private static ValueTask Blocks(ref int runs, ManualResetEventSlim release)
    {
        Interlocked.Increment(ref runs);
        release.Wait(CancellationToken.None);
        return ValueTask.CompletedTask;
    }

    private static ValueTask Counts(ref int runs)
    {
        Interlocked.Increment(ref runs);
        return ValueTask.CompletedTask;
    }

    private static MeterListener Listen(string plugin, Action<long> count)
    {
        var listener = new MeterListener
        {
            InstrumentPublished = static (instrument, listener) =>
            {
                if (instrument is { Name: "policyd.cron.timeouts", Meter.Name: PolicydMeter.Name })
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>((_, value, tags, _) =>
        {
            if (tags.Contains(KeyValuePair.Create<string, object?>("plugin", plugin)))
            {
                count(value);
            }
        });
        listener.Start();
        return listener;
    }

    private PolicyServerModel Model(params string[] plugins)
    {
        var document = HoconReader.Read(
            $$"""
            policyd { listen = ["127.0.0.1:0"], cron { timeout = 1s }
              virtual_hosts = [ { name = test, port = "127.0.0.1:0", plugins = [ {{string.Join(", ", plugins)}} ] } ] }
            """,
            "test.hocon");
        var environment = new ModelEnvironment { LoggerFactory = _log, Modules = ModuleRegistry.BuiltIn.With([typeof(LivingPlugin)]) };
        return ModelBuilder.Build(document, environment)
            ?? throw new InvalidOperationException(string.Join('\n', document.Diagnostics.All));
    }
}
