using System.Runtime.InteropServices;

namespace Policyd.Plugins.Counters;

/// <summary>The abbreviation of the local time zone, such as CET: only the C library knows it, .NET has no name so short.</summary>
internal static partial class LocalZone
{
    /// <summary>The abbreviation that holds at a time; for a time of another zone UTC or its offset.</summary>
    public static string NameAt(DateTimeOffset time)
    {
        if (OperatingSystem.IsLinux())
        {
            var seconds = time.ToUnixTimeSeconds();
            if (LocalTime(in seconds, out var broken) != 0
                && broken.Offset == (long)time.Offset.TotalSeconds
                && Marshal.PtrToStringUTF8(broken.Zone) is { Length: > 0 } name)
            {
                return name;
            }
        }

        return time.Offset == TimeSpan.Zero ? "UTC" : Strftime.Format("%z", time);
    }

    [LibraryImport("libc", EntryPoint = "localtime_r")]
    private static partial nint LocalTime(in long seconds, out BrokenTime result);

    // struct tm of glibc and musl on 64-bit Linux: nine ints, the offset, the name.
    [StructLayout(LayoutKind.Sequential)]
    private readonly struct BrokenTime
    {
        private readonly int _second, _minute, _hour, _day, _month, _year, _weekday, _yearDay, _isDaylightSaving;
        public readonly long Offset;
        public readonly nint Zone;
    }
}
