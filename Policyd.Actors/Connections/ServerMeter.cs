using System.Diagnostics.Metrics;

namespace Policyd.Actors.Connections;

/// <summary>The meter "Policyd". Nothing is computed for an instrument that nobody listens to.</summary>
internal sealed class ServerMeter : IDisposable
{
    public const string Name = "Policyd";

    private readonly Meter _meter = new(Name);
    private readonly Histogram<double> _duration;
    private readonly Counter<long> _actions;

    public ServerMeter(ServerStatistics statistics, Func<int> connections)
    {
        _meter.CreateObservableCounter("policyd.requests", () => statistics.Requests, "{request}", "Requests received.");
        _meter.CreateObservableUpDownCounter("policyd.requests.active", () => statistics.InFlight, "{request}", "Requests in flight.");
        _meter.CreateObservableCounter(
            "policyd.requests.malformed", () => statistics.MalformedRequests, "{request}", "Malformed requests.");
        _meter.CreateObservableCounter("policyd.requests.timeouts", () => statistics.TimeOuts, "{request}", "Requests that timed out.");
        _meter.CreateObservableUpDownCounter("policyd.connections", connections, "{connection}", "Open connections.");
        _meter.CreateObservableCounter(
            "policyd.connections.refused",
            () => statistics.RefusedConnections,
            "{connection}",
            "Connections refused because max_connections was reached.");
        _actions = _meter.CreateCounter<long>("policyd.actions", "{action}", "Answers by virtual host and first word of the action.");
        _duration = _meter.CreateHistogram<double>("policyd.request.duration", "s", "The time from a request's last byte to its answer.");
    }

    public void Answered(string virtualHost, string? action, TimeSpan elapsed)
    {
        if (_duration.Enabled)
        {
            _duration.Record(elapsed.TotalSeconds, new KeyValuePair<string, object?>("vhost", virtualHost));
        }

        if (_actions.Enabled)
        {
            _actions.Add(1, new("vhost", virtualHost), new("action", action is null ? "none" : FirstWord(action)));
        }
    }

    public void Dispose() => _meter.Dispose();

    // Restrictions and reply codes are few; the text after the word is not, and must not become a label.
    private static string FirstWord(string action)
    {
        var end = action.AsSpan().IndexOf(' ');
        return (end < 0 ? action : action[..end]).ToUpperInvariant();
    }
}
