namespace Policyd.Tests.Architecture;

/// <summary>The circles of a graph: its strongly connected parts of more than one node, by Tarjan's algorithm.</summary>
internal sealed class Circles
{
    private readonly ILookup<string, string> _uses;
    private readonly Func<string, string, bool> _counts;
    private readonly Dictionary<string, (int Index, int Low)> _seen = new(StringComparer.Ordinal);
    private readonly Stack<string> _open = [];
    private readonly List<IReadOnlyList<string>> _all = [];

    /// <summary>Finds them.</summary>
    /// <param name="uses">The arrows.</param>
    /// <param name="counts">Which arrows count.</param>
    public Circles(ILookup<string, string> uses, Func<string, string, bool> counts)
    {
        _uses = uses;
        _counts = counts;
        foreach (var node in uses.Select(static one => one.Key).Order(StringComparer.Ordinal).Where(node => !_seen.ContainsKey(node)))
        {
            Visit(node);
        }
    }

    /// <summary>Each with its nodes in the order of their names.</summary>
    public IReadOnlyList<IReadOnlyList<string>> All => _all;

    private int Visit(string node)
    {
        var index = _seen.Count;
        var low = index;
        _seen[node] = (index, low);
        _open.Push(node);
        foreach (var next in _uses[node].Where(next => _counts(node, next)).Distinct())
        {
            if (!_seen.TryGetValue(next, out var known))
            {
                low = Math.Min(low, Visit(next));
            }
            else if (_open.Contains(next))
            {
                low = Math.Min(low, known.Index);
            }
        }

        if (low == index)
        {
            var part = new List<string>();
            do
            {
                part.Add(_open.Pop());
            }
            while (part[^1] != node);
            if (part.Count > 1)
            {
                _all.Add([.. part.Order(StringComparer.Ordinal)]);
            }
        }

        return low;
    }
}
