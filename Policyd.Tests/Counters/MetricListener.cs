using System.Diagnostics.Metrics;

namespace Policyd.Tests.Counters;

/// <summary>
/// Adds up what a counter of ours reports while this lives. Tests that run at the same time may add to it: compare with at least.
/// </summary>
internal sealed class MetricListener : IDisposable
{
    private readonly MeterListener _listener = new();
    private long _sum;

    /// <param name="name">The counter.</param>
    /// <param name="tags">What a measurement must have to count.</param>
    public MetricListener(string name, params (string Name, string Value)[] tags)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Name == name)
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((_, value, has, _) =>
        {
            var all = has.ToArray();
            if (Array.TrueForAll(tags, tag => Array.Exists(all, one => one.Key == tag.Name && tag.Value.Equals(one.Value))))
            {
                Interlocked.Add(ref _sum, value);
            }
        });
        _listener.Start();
    }

    public long Sum => Interlocked.Read(ref _sum);

    public void Dispose() => _listener.Dispose();
}
