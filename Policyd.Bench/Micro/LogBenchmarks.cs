using System.Buffers;
using BenchmarkDotNet.Attributes;
using Policyd.Engine.Logging;
using Policyd.Plugins.Logging;
using Policyd.Protocol;

namespace Policyd.Bench.Micro;

/// <summary>
/// The line of a request, as the log's thread writes it: text and JSON, without the queue before it and the file behind it.
/// </summary>
[MemoryDiagnoser]
public class LogBenchmarks
{
    private readonly ArrayBufferWriter<byte> _line = new(8192);
    private readonly PolicyRequest _request = Read();

    /// <summary>What the request path makes of a request for its line.</summary>
    [Benchmark]
    public RequestRecord Record() =>
        new()
        {
            VirtualHost = "bench",
            Request = _request,
            Plugin = "tag",
            Action = "PREPEND X-MtScore: NO score=0",
            Elapsed = TimeSpan.FromMilliseconds(0.4)
        };

    [Benchmark(Baseline = true)]
    public int Text()
    {
        _line.ResetWrittenCount();
        Record().WriteText(_line);
        return _line.WrittenCount;
    }

    [Benchmark]
    public int Json()
    {
        _line.ResetWrittenCount();
        _line.Write("{\"level\":\"notice\""u8);
        Record().WriteJson(new JsonMembers(_line, whole: true));
        _line.Write("}"u8);
        return _line.WrittenCount;
    }

    private static PolicyRequest Read() =>
        PolicyRequestReader.TryRead(SampleRequest.Make().AsMemory()[..^1], new RequestLimits(), out var request, out var error)
            ? request!
            : throw new InvalidOperationException(error?.Message);
}
