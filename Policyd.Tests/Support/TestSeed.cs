using System.Globalization;

namespace Policyd.Tests.Support;

/// <summary>The seed of a random test, which prints it: that of POLICYD_SEED=N, to run one again, else another each time.</summary>
internal static class TestSeed
{
    public static int Next() => Environment.GetEnvironmentVariable("POLICYD_SEED") is { Length: > 0 } given
        ? int.Parse(given, CultureInfo.InvariantCulture)
        : Random.Shared.Next();
}
