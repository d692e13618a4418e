namespace Policyd.Tests.Support;

/// <summary>
/// What a test has measured or counted, for people: in the test's own output, and in the file that POLICYD_SUMMARY names, which CI prints
/// at its end. (The runner shows the output of a test only when it fails.)
/// </summary>
internal static class Summary
{
    private static readonly Lock s_lock = new();

    public static void Line(ITestOutputHelper output, string line)
    {
        output.WriteLine(line);
        if (Environment.GetEnvironmentVariable("POLICYD_SUMMARY") is { Length: > 0 } file)
        {
            lock (s_lock)
            {
                File.AppendAllText(file, line + "\n");
            }
        }
    }
}
