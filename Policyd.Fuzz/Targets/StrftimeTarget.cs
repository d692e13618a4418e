using System.Runtime.InteropServices;
using System.Text;
using Policyd.Fuzz.Harness;
using Policyd.Plugins.Counters;

namespace Policyd.Fuzz.Targets;

/// <summary>Patterns of strftime, held against the C library's own.</summary>
internal sealed partial class StrftimeTarget() : FuzzTarget(
    "strftime",
    "an accepted pattern gives the C library's text; a refused one is refused when it is used, too",
    new AllocationBound(64 * 1024, 2000))
{
    private const int BufferBytes = 256 * 1024;

    // Around the change of years and of the clock, noon, midnight, and the end of 32 bits.
    private static readonly long[] s_times = [0, 1_700_000_000, 1_711_846_800, 1_729_989_000, 946_684_799, 946_684_800, 1_704_067_200,
        1_735_689_599, 1_000_036_800, 2_147_483_648, 4_000_000_000];

    private readonly byte[] _buffer = new byte[BufferBytes];

    public override string? Missing => OperatingSystem.IsLinux() ? null : "it calls the C library of Linux";

    public override IReadOnlyList<byte[]> Samples { get; } = Texts.Utf8(
        "%Y-%m", "%Y-%W", "%G-W%V-%u", "%-d.%_m.%y %H:%M:%S %p", "%^a %#B %10Y %05e %_5j", "%c|%x|%X|%r|%R|%T|%D|%F|%n%t%%",
            "%Ey %Od %z %Z %s %C %g %h %I %k %l %P %U %w", "Grüße %A");

    public override IReadOnlyList<byte[]> Words { get; } = Texts.Words(
        "% %% %E %O %- %_ %0 %^ %# %10 %255 %256 %_^#5 %+ %i %N %Ec %OH %a %b %c %e %j %p %P %r %s %z %Z");

    public override int LongestInput => 300;

    public override Outcome Execute(byte[] input, Meter meter)
    {
        var pattern = Encoding.UTF8.GetString(input);
        if (meter.Run(() => Strftime.Check(pattern)) is { } problem)
        {
            CheckRefused(pattern);
            return Outcome.Rejected(problem);
        }

        // A NUL ends a pattern of C.
        if (!pattern.Contains('\0', StringComparison.Ordinal))
        {
            var seconds = s_times[input.Length % s_times.Length];
            var time = TimeZoneInfo.ConvertTime(DateTimeOffset.FromUnixTimeSeconds(seconds), TimeZoneInfo.Local);
            Check.Same(OfLibrary(pattern, seconds), meter.Run(() => Strftime.Format(pattern, time)),
                $"the text of {Check.Shown(pattern)} at {seconds}");
        }

        return Outcome.Accepted(string.Concat(pattern.Where(static c => c < 128).Take(6)));
    }

    private static void CheckRefused(string pattern)
    {
        try
        {
            Strftime.Format(pattern, DateTimeOffset.UnixEpoch);
        }
        catch (FormatException)
        {
            return;
        }

        throw new MismatchException("a refused pattern is formatted");
    }

    private string OfLibrary(string pattern, long seconds)
    {
        var broken = new byte[64];
        Check.That(LocalTime(in seconds, broken) != 0, "the C library knows no such time");
        var length = Format(_buffer, BufferBytes, Encoding.UTF8.GetBytes(pattern + '\0'), broken);
        return Encoding.UTF8.GetString(_buffer, 0, (int)length);
    }

    [LibraryImport("libc", EntryPoint = "localtime_r")]
    private static partial nint LocalTime(in long seconds, [In, Out] byte[] result);

    [LibraryImport("libc", EntryPoint = "strftime")]
    private static partial nint Format([In, Out] byte[] text, nint most, byte[] pattern, byte[] time);
}
