namespace Policyd.Bench.Load;

/// <summary>Which client asks next.</summary>
internal sealed class KeySequence(LoadOptions options)
{
    private readonly Random _random = new(options.Seed);
    private readonly int _count = options.ChosenKeys?.Count ?? options.Keys;

    /// <param name="request">The number of the request in the run, from 0.</param>
    public int Next(long request)
    {
        var index = options.KeyOrder == KeyOrder.RoundRobin ? (int)((options.FirstKey + request) % _count) : _random.Next(_count);
        return options.ChosenKeys is { } chosen ? chosen[index] : index;
    }
}
