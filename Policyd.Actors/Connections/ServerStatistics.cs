namespace Policyd.Actors.Connections;

/// <summary>What the server has done since its start. Each is written by many threads and read by the handle and the meter.</summary>
internal sealed class ServerStatistics
{
    private long _requests;
    private long _inFlight;
    private long _malformed;
    private long _timeOuts;
    private long _refused;

    public long Requests => Volatile.Read(ref _requests);

    public long InFlight => Volatile.Read(ref _inFlight);

    public long MalformedRequests => Volatile.Read(ref _malformed);

    public long TimeOuts => Volatile.Read(ref _timeOuts);

    public long RefusedConnections => Volatile.Read(ref _refused);

    public void Asked()
    {
        Interlocked.Increment(ref _requests);
        Interlocked.Increment(ref _inFlight);
    }

    public void Left() => Interlocked.Decrement(ref _inFlight);

    public void Malformed() => Interlocked.Increment(ref _malformed);

    public void TimedOut() => Interlocked.Increment(ref _timeOuts);

    public void Refused() => Interlocked.Increment(ref _refused);
}
