using BenchmarkDotNet.Attributes;
using Policyd.Plugins.Counters;
using Policyd.Protocol;

namespace Policyd.Bench.Micro;

/// <summary>What the ids of a request cost that is counted under two keys: of version 2, and of version 1 (SHA-256).</summary>
[MemoryDiagnoser]
public class CounterIdBenchmarks
{
    private readonly PolicyRequest _request =
        PolicyRequestReader.TryRead(SampleRequest.Make(), RequestLimits.Default, out var request, out var error)
            ? request : throw new InvalidOperationException(error.Message);
    private readonly CounterKey _sender = new("db", "quota_sender", "sender@example.com");
    private readonly CounterKey _client = new("db", "quota_client_address", "192.0.2.17");

    [Benchmark(Baseline = true)]
    public UInt128 Version1()
    {
        var part = CounterRequestId.PartOf(_request);
        return CounterRequestId.OfVersion1(_request.Instance, part, "Accounting", _sender)
            ^ CounterRequestId.OfVersion1(_request.Instance, part, "Accounting", _client);
    }

    [Benchmark]
    public UInt128 Version2()
    {
        var request = CountedRequest.Of(_request);
        return request.IdOf("Accounting", _sender)!.Value ^ request.IdOf("Accounting", _client)!.Value;
    }

    /// <summary>The share of the mail in <see cref="Version2"/>.</summary>
    [Benchmark]
    public MailId OnlyMail() => MailId.Of(_request.Instance);
}
