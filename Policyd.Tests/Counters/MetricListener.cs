using System.Diagnostics.Metrics;

namespace Policyd.Tests.Counters;

/// <summary>
/// Adds up what a counter of ours reports while this lives. Tests that run at the same time may add to it: compare with at least.
/// </summary>
internal sealed class MetricListener : IDisposable
{
    private readonly MeterListener _listener = new();
    private long _sum;

    public MetricListener(string name)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Name == name)
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((_, value, _, _) => Interlocked.Add(ref _sum, value));
        _listener.Start();
    }

    public long Sum => Interlocked.Read(ref _sum);

    public void Dispose() => _listener.Dispose();
}
