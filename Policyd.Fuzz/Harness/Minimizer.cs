namespace Policyd.Fuzz.Harness;

/// <summary>Makes an input that fails shorter and plainer, as long as it fails in the same way.</summary>
internal static class Minimizer
{
    private const int MostExecutions = 4000;

    public static byte[] Minimize(FuzzTarget target, byte[] input, FuzzFailure failure)
    {
        var left = MostExecutions;
        bool StillFails(byte[] candidate) => left-- > 0 && Execution.Run(target, candidate, out _, out _)?.Kind == failure.Kind;

        var best = input;
        int before;
        do
        {
            before = best.Length;
            best = Shortened(best, StillFails);
        }
        while (best.Length < before && left > 0);

        return Plainer(best, StillFails);
    }

    // Blocks are left out: halves first, then ever shorter ones.
    private static byte[] Shortened(byte[] input, Func<byte[], bool> stillFails)
    {
        for (var size = Math.Max(1, input.Length / 2); size > 0; size /= 2)
        {
            for (var start = 0; start + size <= input.Length;)
            {
                byte[] candidate = [.. input[..start], .. input[(start + size)..]];
                if (stillFails(candidate))
                {
                    input = candidate;
                }
                else
                {
                    start += size;
                }
            }
        }

        return input;
    }

    // Bytes that do not matter become the letter a, or zero.
    private static byte[] Plainer(byte[] input, Func<byte[], bool> stillFails)
    {
        for (var at = 0; at < input.Length; at++)
        {
            foreach (var plain in (byte[])[(byte)'a', 0])
            {
                if (input[at] is (byte)'a' or 0)
                {
                    break;
                }

                var candidate = input.ToArray();
                candidate[at] = plain;
                if (stillFails(candidate))
                {
                    input = candidate;
                }
            }
        }

        return input;
    }
}
