namespace Policyd.Bench.Compare;

/// <summary>Something that is measured.</summary>
/// <param name="Stage">The part of the comparison that measures it.</param>
/// <param name="Decimals">Digits after the point that are shown.</param>
/// <param name="Comparable">False where another kind of server has next to nothing of it, so that a share of it says nothing.</param>
public sealed record Figure(Stage Stage, string Name, int Decimals, bool Comparable = true);

/// <summary>Two servers of which one is told as a share of the other.</summary>
/// <param name="SameKind">True when both are policyd.</param>
public sealed record Pair(string Ours, string Theirs, bool SameKind)
{
    public override string ToString() => $"{Ours} / {Theirs}";
}

/// <summary>All that a comparison has measured: for each figure and each server a value for each window, in the
/// order of the rounds.</summary>
public sealed class Figures
{
    private readonly List<Figure> _order = [];
    private readonly Dictionary<(Figure Figure, string Server), List<double>> _values = [];

    /// <summary>The figures, by stage, and within one in the order in which they came first.</summary>
    public IEnumerable<Figure> All => _order.OrderBy(figure => figure.Stage);

    public void Add(Figure figure, string server, double value)
    {
        if (!_order.Contains(figure))
        {
            _order.Add(figure);
        }

        if (!_values.TryGetValue((figure, server), out var values))
        {
            _values[(figure, server)] = values = [];
        }

        values.Add(value);
    }

    /// <summary>The values of one server; none when it was not measured.</summary>
    public IReadOnlyList<double> Values(Figure figure, string server) =>
        _values.TryGetValue((figure, server), out var values) ? values : [];

    /// <summary>
    /// Ours divided by theirs, window against window of the same round, because only what was measured at the same time can be held
    /// against each other. None when a round lacks one of the two, when theirs is 0, or when it is not comparable.
    /// </summary>
    public IReadOnlyList<double> Ratios(Figure figure, Pair pair)
    {
        ArgumentNullException.ThrowIfNull(pair);
        var (ours, theirs) = (Values(figure, pair.Ours), Values(figure, pair.Theirs));
        var comparable = (pair.SameKind || figure.Comparable) && ours.Count == theirs.Count && theirs.All(value => value > 0);
        return !comparable ? [] : [.. ours.Zip(theirs, (our, their) => our / their)];
    }
}
