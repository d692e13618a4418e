namespace Policyd.Bench.Compare;

/// <summary>
/// Tells when a server is warm: the rates of the last three windows lie within three hundredths of their median. The
/// just-in-time compiler replaces hot code in the background for a server's first seconds, and the collector sizes its heap.
/// </summary>
public sealed class SteadyRate
{
    private const int Compared = 3;
    private const double Tolerance = 0.03;

    private readonly List<double> _rates = [];

    /// <summary>Windows so far.</summary>
    public int Windows => _rates.Count;

    public bool IsSteady
    {
        get
        {
            if (_rates.Count < Compared)
            {
                return false;
            }

            var last = Spread.Of(_rates.TakeLast(Compared));
            return last.Median > 0 && last.Max - last.Min <= Tolerance * last.Median;
        }
    }

    public void Add(double rate) => _rates.Add(rate);
}
