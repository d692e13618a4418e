using BenchmarkDotNet.Attributes;
using Policyd.Protocol;

namespace Policyd.Bench.Micro;

/// <summary>Bytes to a request: what every answer pays before a plugin runs.</summary>
[MemoryDiagnoser]
public class ReaderBenchmarks
{
    private readonly RequestLimits _limits = new();
    private readonly byte[] _bytes = SampleRequest.Make();
    private RequestFramer _framer = null!;

    [GlobalSetup]
    public void Setup() => _framer = new RequestFramer(_limits);

    [Benchmark(Baseline = true)]
    public PolicyRequest FrameAndRead()
    {
        _framer.Append(_bytes);
        return Take();
    }

    /// <summary>As three segments of TCP: shows what keeping the scan offset is worth.</summary>
    [Benchmark]
    public PolicyRequest FrameInThreeSegmentsAndRead()
    {
        var third = _bytes.Length / 3;
        _framer.Append(_bytes.AsSpan(0, third));
        _ = _framer.TryTake(out _, out _);
        _framer.Append(_bytes.AsSpan(third, third));
        _ = _framer.TryTake(out _, out _);
        _framer.Append(_bytes.AsSpan(2 * third));
        return Take();
    }

    /// <summary>With five attributes looked up, as a chain does.</summary>
    [Benchmark]
    public int FrameReadAndLookUp()
    {
        _framer.Append(_bytes);
        var request = Take();
        return request.Instance.Length + request.ClientAddress.Length + request.Sender.Length + request.Recipient.Length
            + request.Type.Length;
    }

    private PolicyRequest Take()
    {
        if (_framer.TryTake(out var frame, out _) != FrameStatus.Frame
            || !PolicyRequestReader.TryRead(frame, _limits, out var request, out _))
        {
            throw new InvalidOperationException("The sample request was not read.");
        }

        return request;
    }
}
