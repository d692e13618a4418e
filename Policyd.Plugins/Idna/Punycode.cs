using System.Text;

namespace Policyd.Plugins.Idna;

// The code by which the DNS writes a label beyond ASCII, behind "xn--" (RFC 3492).
internal static class Punycode
{
    private const int Base = 36;
    private const int LeastThreshold = 1;
    private const int MostThreshold = 26;
    private const int Skew = 38;
    private const int Damp = 700;
    private const int FirstBias = 72;
    private const int FirstPoint = 0x80;

    /// <summary>Encodes a label. Its cost grows with the square of the length, so the caller bounds that.</summary>
    public static string Encode(IReadOnlyList<int> label)
    {
        var code = new StringBuilder(label.Count * 2);
        foreach (var point in label.Where(static point => point < FirstPoint))
        {
            code.Append((char)point);
        }

        var basic = code.Length;
        if (basic > 0)
        {
            code.Append('-');
        }

        var (next, delta, bias) = (FirstPoint, 0, FirstBias);
        for (var done = basic; done < label.Count; next++, delta++)
        {
            var least = label.Where(point => point >= next).Min();
            delta = checked(delta + ((least - next) * (done + 1)));
            next = least;
            foreach (var point in label)
            {
                if (point < next)
                {
                    delta++;
                }
                else if (point == next)
                {
                    Append(code, delta, bias);
                    bias = Adapt(delta, done + 1, done == basic);
                    delta = 0;
                    done++;
                }
            }
        }

        return code.ToString();
    }

    private static void Append(StringBuilder code, int delta, int bias)
    {
        var left = delta;
        for (var weight = Base; ; weight += Base)
        {
            var threshold = Math.Clamp(weight - bias, LeastThreshold, MostThreshold);
            if (left < threshold)
            {
                code.Append(Digit(left));
                return;
            }

            code.Append(Digit(threshold + ((left - threshold) % (Base - threshold))));
            left = (left - threshold) / (Base - threshold);
        }
    }

    private static int Adapt(int delta, int points, bool isFirst)
    {
        var left = isFirst ? delta / Damp : delta / 2;
        left += left / points;
        var steps = 0;
        for (; left > (Base - LeastThreshold) * MostThreshold / 2; steps += Base)
        {
            left /= Base - LeastThreshold;
        }

        return steps + ((Base - LeastThreshold + 1) * left / (left + Skew));
    }

    private static char Digit(int value) => (char)(value < 26 ? 'a' + value : '0' + value - 26);
}
