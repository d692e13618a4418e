using System.Runtime.InteropServices;

namespace Policyd.Server.Hosting;

/// <summary>
/// Whatever this process makes is closed to others from its first moment: databases with their logs, whoever opens them (the drivers' own
/// libraries too), pid and log files, and what plugins write. Files that are there keep their modes. UNIX sockets are given theirs by name.
/// </summary>
internal static partial class NewFiles
{
    // Nothing for others, no writing for the group. A tighter mask of the caller stays.
    private const uint Taken = 0b000_010_111;

    public static void AreClosedToOthers()
    {
        if (!OperatingSystem.IsWindows())
        {
            // The call cannot ask without setting.
            var before = SetMask(0b111_111_111);
            _ = SetMask(before | Taken);
        }
    }

    [LibraryImport("libc", EntryPoint = "umask")]
    private static partial uint SetMask(uint mask);
}
