using System.Runtime.InteropServices;

namespace Policyd.Bench.Load;

/// <summary>A time as Linux takes and tells it: struct timespec.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct Timespec(nint Seconds, nint Nanoseconds)
{
    public TimeSpan Time => new((Seconds * TimeSpan.TicksPerSecond) + (Nanoseconds / TimeSpan.NanosecondsPerTick));

    public static Timespec Of(TimeSpan time) =>
        new((nint)(time.Ticks / TimeSpan.TicksPerSecond), (nint)(time.Ticks % TimeSpan.TicksPerSecond * TimeSpan.NanosecondsPerTick));
}
