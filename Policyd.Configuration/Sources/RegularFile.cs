using System.Runtime.InteropServices;

namespace Policyd.Configuration.Sources;

/// <summary>
/// Looks what a path is before it is read as a file. A FIFO would be waited for until somebody writes to it, and a device such as
/// <c>/dev/zero</c> may have no end: a start would hang, or fill the memory.
/// </summary>
public static partial class RegularFile
{
    private const int WorkingFolder = -100;
    private const uint WantsType = 1;

    /// <summary>
    /// Says what a path is when it is no file, such as <c>it is a folder, not a file</c>. Null when it is one, when nothing is there, and
    /// when the system does not tell; <c>/dev/null</c> is an empty file.
    /// </summary>
    /// <param name="path">The path; of a symbolic link what it leads to counts.</param>
    public static string? Problem(string path)
    {
        var kind = KindOf(path);
        return kind is null ? null : $"it is a {kind}, not a file";
    }

    /// <summary>The same as an exception.</summary>
    /// <param name="path">The path.</param>
    /// <exception cref="IOException">It is something else than a file.</exception>
    public static void Demand(string path)
    {
        if (Problem(path) is { } problem)
        {
            throw new IOException(problem);
        }
    }

    /// <summary>Whether something is there that is known to be no UNIX-domain socket.</summary>
    /// <param name="path">The path.</param>
    public static bool IsInTheWayOfSocket(string path) =>
        OperatingSystem.IsLinux() ? Path.Exists(path) && KindOf(path) is not "socket" : Directory.Exists(path);

    // The kinds of inode(7).
    private static string? KindOf(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (!OperatingSystem.IsLinux())
        {
            return Directory.Exists(path) ? "folder" : null;
        }

        try
        {
            if (Look(WorkingFolder, path, 0, WantsType, out var found) != 0)
            {
                return null;
            }

            return (found.Mode >> 12) switch
            {
                1 => "FIFO",
                2 when (found.DeviceMajor, found.DeviceMinor) == (1, 3) => null,
                2 or 6 => "device",
                4 => "folder",
                12 => "socket",
                _ => null,
            };
        }
        catch (EntryPointNotFoundException)
        {
            // A C library that is older than statx(2).
            return Directory.Exists(path) ? "folder" : null;
        }
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Look(int folder, string path, int flags, uint wanted, out Found found);

    // struct statx, which is the same on every processor.
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private readonly struct Found
    {
        [FieldOffset(28)]
        public readonly ushort Mode;

        [FieldOffset(128)]
        public readonly uint DeviceMajor;

        [FieldOffset(132)]
        public readonly uint DeviceMinor;
    }
}
