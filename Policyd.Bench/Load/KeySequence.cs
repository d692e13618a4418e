namespace Policyd.Bench.Load;

/// <summary>Which client asks next.</summary>
internal sealed class KeySequence(LoadOptions options)
{
    private readonly Random _random = new(options.Seed);

    /// <param name="request">The number of the request in the run, from 0.</param>
    public int Next(long request) => options.KeyOrder == KeyOrder.RoundRobin
        ? (int)((options.FirstKey + request) % options.Keys)
        : _random.Next(options.Keys);
}
