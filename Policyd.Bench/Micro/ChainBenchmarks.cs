using BenchmarkDotNet.Attributes;
using Policyd.Configuration;
using Policyd.Configuration.Hocon;
using Policyd.Engine.Building;
using Policyd.Engine.Chain;
using Policyd.Engine.Model;
using Policyd.Plugins.Sessions;
using Policyd.Protocol;

namespace Policyd.Bench.Micro;

/// <summary>A request to its action: the chain alone, without sockets, actors or the session store.</summary>
[MemoryDiagnoser]
public class ChainBenchmarks
{
    private const string Header = "{ name = tag, module = AddScoreHeader }";

    // Ten modules of which none ends the chain, so that every request runs all of them.
    private const string TenModules = $$"""
        { name = own, module = RegexList, key = client_address, regex = ["^127\\.", "^192\\.168\\."], action = dunno },
        { name = noptr, module = Condition, key = reverse_client_name, match = unknown, score = 5 },
        { name = helo, module = Condition, key = helo_name, re_match = "^\\[", score = 2 },
        { name = size, module = Condition, key = size, gt_match = 50000000, score = 1 },
        { name = set, module = SetField, key = "s:seen", value = yes },
        { name = tls, module = Condition, key = encryption_protocol, match = "TLSv1.3", score = -1 },
        { name = clear, module = ClearFields, fields = seen },
        { name = stress, module = Stress, action = "421 later" },
        { name = limit, module = ScoreAction, threshold = 15, action = "reject score %SCORE%" },
        {{Header}}
        """;

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(20);

    private readonly VirtualHost _plain = Build(Header);
    private readonly VirtualHost _ten = Build(TenModules);
    private readonly PolicyRequest _request = Read();

    [Benchmark(Baseline = true)]
    public ValueTask<ChainOutcome> AddScoreHeader() => _plain.RunAsync(_request, new Session(), Timeout);

    [Benchmark]
    public ValueTask<ChainOutcome> ChainOfTenModules() => _ten.RunAsync(_request, new Session(), Timeout);

    /// <summary>Fails unless both chains answer with the header: a chain that stops early would look fast.</summary>
    [GlobalSetup]
    public void CheckAnswers()
    {
        foreach (var host in (VirtualHost[])[_plain, _ten])
        {
            var outcome = host.RunAsync(_request, new Session(), Timeout).AsTask().GetAwaiter().GetResult();
            if (outcome.Action?.StartsWith("PREPEND X-MtScore: NO", StringComparison.Ordinal) != true)
            {
                throw new InvalidOperationException($"The chain answered '{outcome.Action}' {outcome.Failure}");
            }
        }
    }

    private static VirtualHost Build(string plugins)
    {
        var document = HoconReader.Read(
            $$"""policyd { listen = ["127.0.0.1:12345"], virtual_hosts = [ { name = bench, port = 12345, """
                + $$"""plugins = [ {{plugins}} ] } ] }""");
        var model = ModelBuilder.Build(document, new ModelEnvironment());
        return model?.VirtualHosts[0] ?? throw new InvalidOperationException(string.Join(Environment.NewLine, document.Diagnostics.All));
    }

    private static PolicyRequest Read() =>
        PolicyRequestReader.TryRead(SampleRequest.Make().AsMemory()[..^1], new RequestLimits(), out var request, out var error)
            ? request!
            : throw new InvalidOperationException(error?.Message);
}
