using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Policyd.Counting.Spool;

/// <summary>
/// The folder of the spool files: one of each life of a writer that had something to spool. A life that ends without anything left deletes
/// its file; the others lie here until a later life has written them to the database.
/// </summary>
internal sealed partial class SpoolFolder
{
    private const string Ending = ".spool";
    private const UnixFileMode FileMode600 = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <param name="path">The folder. It is made when it is first needed.</param>
    /// <param name="maxSize">How many bytes all files in it may have together.</param>
    public SpoolFolder(string path, long maxSize) => (Path, MaxSize) = (path, maxSize);

    /// <summary>The folder.</summary>
    public string Path { get; }

    /// <summary>How many bytes all files in it may have together.</summary>
    public long MaxSize { get; }

    /// <summary>Makes the folder if it is not there, closed to others.</summary>
    public void Create()
    {
        if (Directory.Exists(Path))
        {
            return;
        }

        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(Path);
        }
        else
        {
            Directory.CreateDirectory(Path, FileMode600 | UnixFileMode.UserExecute);
        }
    }

    /// <summary>Why nothing can be spooled here; null when it can. Makes nothing.</summary>
    public string? WhyNotWritable()
    {
        var folder = System.IO.Path.GetFullPath(Path);
        if (File.Exists(folder))
        {
            return $"{folder} is a file, not a folder";
        }

        // It is made when it is first needed: the first folder above it that is there counts.
        while (!Directory.Exists(folder))
        {
            folder = System.IO.Path.GetDirectoryName(folder)!;
        }

        return UserAccess.MayCreateIn(folder) ? null : UserAccess.CannotCreateIn(folder);
    }

    /// <summary>The name of a life's file.</summary>
    public string PathOf(Guid node) => System.IO.Path.Combine(Path, node.ToString("N") + Ending);

    /// <summary>
    /// The files that earlier lives have left: those whose process has ended. They are locked from now on, so that two servers that start
    /// at once do not write the same one. The oldest first.
    /// </summary>
    /// <param name="mine">Which files to take; the others are let go.</param>
    /// <param name="unreadable">Files that are no spool, or one of a newer server: they stay where they are.</param>
    public IReadOnlyList<FormerSpool> TakeFormer(Predicate<SpoolHeader> mine, ICollection<string> unreadable)
    {
        ArgumentNullException.ThrowIfNull(mine);
        ArgumentNullException.ThrowIfNull(unreadable);
        var taken = new List<FormerSpool>();
        foreach (var path in Files())
        {
            if (TryLock(path) is not { } file)
            {
                continue;
            }

            var former = FormerSpool.Read(path, file);
            var isMine = former.Header is { } header && mine(header);
            if (isMine && former.Tables.Count > 0)
            {
                taken.Add(former);
                continue;
            }

            if (former.IsEmptyStart || isMine)
            {
                TryDelete(path);
            }
            else if (former.Header is null)
            {
                unreadable.Add(path);
            }

            former.Dispose();
        }

        return [.. taken.OrderBy(static spool => spool.WrittenAt)];
    }

    /// <summary>How many bytes the files of others have.</summary>
    public long SizeOfOthers(string path)
    {
        var sum = 0L;
        foreach (var file in new DirectoryInfo(Path).EnumerateFiles("*" + Ending))
        {
            if (!string.Equals(file.FullName, System.IO.Path.GetFullPath(path), StringComparison.Ordinal) && file.Exists)
            {
                sum += file.Length;
            }
        }

        return sum;
    }

    /// <summary>Opens a file that nobody else has open. The lock ends with the process, however it ends.</summary>
    public static SafeFileHandle OpenLocked(string path, FileMode mode)
    {
        var file = File.OpenHandle(path, mode, FileAccess.ReadWrite, FileShare.None);
        if (mode == FileMode.CreateNew && !OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(file, FileMode600);
        }

        return file;
    }

    /// <summary>A new file's name is on the disk too.</summary>
    public void SyncNames()
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        var folder = OpenPath(Path, 0);
        if (folder < 0)
        {
            throw new IOException($"{Path} cannot be opened");
        }

        var failed = Sync(folder) != 0;
        _ = Close(folder);
        if (failed)
        {
            throw new IOException($"{Path} cannot be synced");
        }
    }

    /// <summary>A file that stays is told at the next start, and what is in it is known to the database.</summary>
    public static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Its disk is read-only now.
        }
    }

    private string[] Files()
    {
        try
        {
            return Directory.Exists(Path) ? Directory.GetFiles(Path, "*" + Ending) : [];
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>Null when its process lives, or the file cannot be opened.</summary>
    private static SafeFileHandle? TryLock(string path)
    {
        try
        {
            return OpenLocked(path, FileMode.Open);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int OpenPath(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync")]
    private static partial int Sync(int file);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int file);
}
