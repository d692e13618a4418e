using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Policyd.Engine.Decisions;
using Policyd.Engine.Logging;
using Policyd.Plugins.Metrics;
using Policyd.Protocol;
using Policyd.Server.Telemetry;

namespace Policyd.Tests.Http;

/// <summary>Requests are measured in batches: what is collected has all of them all the same, and each once.</summary>
public sealed class RequestMetricsSpecs : IDisposable
{
    private const int MoreThanANoteHasRoomFor = 1000;

    private static readonly PolicyRequest s_request = PolicyRequestBuilder.AccessPolicy().ToRequest();

    // Other tests of this process measure as well.
    private readonly string _host = $"host-{Guid.NewGuid():N}";
    private readonly RequestMetrics _metrics = new();
    private readonly MeterListener _collector = new();
    private readonly ConcurrentDictionary<string, long> _collected = new();

    public RequestMetricsSpecs()
    {
        _collector.InstrumentPublished = static (instrument, listener) =>
        {
            if (instrument.Meter.Name == PolicydMeter.Name
                && instrument.Name is "policyd.requests" or "policyd.refusals" or "policyd.request.duration" or "policyd.plugin.duration")
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _collector.SetMeasurementEventCallback<long>((instrument, value, labels, _) => Note(instrument, labels, _ => value));
        _collector.SetMeasurementEventCallback<double>((instrument, _, labels, _) => Note(instrument, labels, static former => former + 1));
        _collector.Start();
    }

    public void Dispose()
    {
        _collector.Dispose();
        _metrics.Dispose();
    }

    [Fact]
    public async Task What_is_collected_has_each_request_once()
    {
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(
            () =>
            {
                for (var mail = 0; mail < 1000; mail++)
                {
                    _metrics.Decided(Record("reject no", Steps("limit", StepOutcome.Answered, 1)));
                    _metrics.Decided(Record("dunno", Steps("limit", StepOutcome.Nothing, 2)));
                    _metrics.Decided(Record(null, null));
                }
            },
            TestContext.Current.CancellationToken)));

        for (var times = 0; times < 2; times++)
        {
            _collector.RecordObservableInstruments();
            Assert.Equal(
                new Dictionary<string, long>
                {
                    ["policyd.request.duration"] = 24_000,
                    ["policyd.requests action=reject"] = 8_000,
                    ["policyd.requests action=dunno"] = 8_000,
                    ["policyd.requests action=none"] = 8_000,
                    ["policyd.refusals rule=limit"] = 8_000,
                    ["policyd.plugin.duration plugin=limit outcome=answered"] = 8_000,
                    ["policyd.plugin.duration plugin=limit outcome=nothing"] = 16_000,
                }.OrderBy(static one => one.Key),
                _collected.OrderBy(static one => one.Key));
        }
    }

    [Fact]
    public void A_chain_may_have_more_plugins_than_there_is_room_for()
    {
        _metrics.Decided(Record("dunno", Steps("limit", StepOutcome.Nothing, MoreThanANoteHasRoomFor)));
        _collector.RecordObservableInstruments();
        Assert.Equal(MoreThanANoteHasRoomFor, _collected["policyd.plugin.duration plugin=limit outcome=nothing"]);
        Assert.Equal(1, _collected["policyd.request.duration"]);
    }

    private static IReadOnlyList<DecisionStep> Steps(string plugin, StepOutcome outcome, int count)
    {
        var recorder = new DecisionRecorder(DecisionDepth.Steps, TimeProvider.System);
        for (var index = 0; index < count; index++)
        {
            var owner = new object();
            recorder.Begin(owner, parent: null, plugin, "Test");
            recorder.End(owner, outcome, outcome == StepOutcome.Answered ? ["reject no"] : []);
        }

        return recorder.Close();
    }

    private RequestRecord Record(string? action, IReadOnlyList<DecisionStep>? steps) => new()
    {
        VirtualHost = _host,
        Request = s_request,
        Plugin = "limit",
        Action = action,
        Trail = new DecisionTrail(DateTimeOffset.UnixEpoch, steps),
    };

    private void Note(Instrument instrument, ReadOnlySpan<KeyValuePair<string, object?>> labels, Func<long, long> value)
    {
        var name = instrument.Name;
        var isOurs = false;
        foreach (var (label, of) in labels)
        {
            isOurs |= label == "virtual_host" && _host.Equals(of);
            name += label == "virtual_host" ? "" : $" {label}={of}";
        }

        if (isOurs)
        {
            _collected.AddOrUpdate(name, _ => value(0), (_, former) => value(former));
        }
    }
}
