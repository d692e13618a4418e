namespace Policyd.Bench.Load;

/// <summary>What a run takes from the server's process: samples of its memory, and the processor time of the measured part.</summary>
internal sealed class ServerWatch(int pid)
{
    private readonly ProcessMemory _memory = new(pid);
    private TimeSpan _before;
    private TimeSpan? _after;

    public long? LastResident => _memory.Last;

    public void SampleMemory() => _memory.Sample();

    /// <summary>The measured part begins; also after a warm-up, whose time does not count.</summary>
    public void StartMeasuring() => _before = ProcessorClock.Read(pid);

    /// <summary>The measured part ends before the run does, which still waits for the last answers.</summary>
    public void EndMeasuring() => _after = ProcessorClock.Read(pid);

    public MemorySummary Memory() => _memory.Summarize();

    public double ProcessorSeconds() => ((_after ?? ProcessorClock.Read(pid)) - _before).TotalSeconds;
}
