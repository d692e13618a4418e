using BenchmarkDotNet.Attributes;
using Policyd.Engine.Sessions;
using Policyd.Plugins.Sessions;

namespace Policyd.Bench.Micro;

/// <summary>
/// What the session store in memory costs a request: one load and one store. The store is full, so every store also drops an old session.
/// Sessions are made new each time, as a chain does, because what they cost the garbage collector depends on how long the store keeps them.
/// </summary>
[MemoryDiagnoser]
public class SessionStoreBenchmarks
{
    private const int Instances = 1 << 20;   // more than fit into the store, so that a new mail is absent

    private readonly string[] _instances = new string[Instances];
    private readonly MemorySessionStore _store = new(64 * 1024 * 1024, TimeSpan.FromMinutes(5), TimeProvider.System);
    private readonly string _score = "5";
    private int _next;

    /// <summary>The share of making the session in <see cref="NewMailSmall"/>.</summary>
    [Benchmark]
    public Session OnlyMakeSmall() => Small();

    /// <summary>The share of making the session in <see cref="NewMailTenValues"/>.</summary>
    [Benchmark]
    public Session OnlyMakeTenValues() => TenValues();

    /// <summary>A plain chain leaves nothing behind.</summary>
    [Benchmark(Baseline = true)]
    public Session? NewMailEmpty() => LoadAndStore(NewMail(), new Session());

    [Benchmark]
    public Session? NewMailSmall() => LoadAndStore(NewMail(), Small());

    [Benchmark]
    public Session? NewMailTenValues() => LoadAndStore(NewMail(), TenValues());

    [Benchmark]
    public Session? NextRecipientSmall() => LoadAndStore(KnownMail(), Small());

    [Benchmark]
    public Session? NextRecipientTenValues() => LoadAndStore(KnownMail(), TenValues());

    [GlobalSetup]
    public void Fill()
    {
        for (var index = 0; index < Instances; index++)
        {
            _instances[index] = $"{index:x}.{index % 60000:x}.0";
            LoadAndStore(_instances[index], Small());
        }
    }

    private Session Small() => new() { ["score"] = _score, ["score_detail"] = "noptr=5" };

    private Session TenValues() => new()
    {
        ["score"] = _score,
        ["score_detail"] = "noptr=5",
        ["greylist"] = "1",
        ["spf-result"] = "pass",
        ["spf-domain"] = "example.org",
        ["geoip-country"] = "de",
        ["rbl-zen"] = "not listed",
        ["rbl-dnswl"] = "127.0.10.2",
        ["helo"] = "mail.example.org",
        ["verified"] = "the mailbox of the sender exists",
    };

    private Session? LoadAndStore(string instance, Session session)
    {
        var load = _store.LoadAsync(instance, CancellationToken.None);
        var store = _store.StoreAsync(instance, session, CancellationToken.None);
        return load.IsCompletedSuccessfully && store.IsCompletedSuccessfully
            ? load.Result
            : throw new InvalidOperationException("The store in memory was not done at once.");
    }

    private string NewMail() => _instances[_next++ & (Instances - 1)];

    private string KnownMail() => _instances[_next++ & 1023];
}
