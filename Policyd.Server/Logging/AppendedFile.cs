using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Policyd.Server.Logging;

/// <summary>
/// A file that this process appends to. Others may read it, append to it, empty it, move it away and delete it meanwhile, as log rotation
/// and a second policyd do.
/// </summary>
internal static partial class AppendedFile
{
    /// <summary>For the server's user alone.</summary>
    public const UnixFileMode Own = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private const int GetFlags = 3;
    private const int SetFlags = 4;
    private const int Append = 0x400;
    private const int WriteOnly = 1;
    private const int NonBlocking = 0x800;
    private const int CloseOnExec = 0x80000;
    private const int NoSuchDevice = 6;

    /// <summary>Opens it; one that is not there is made.</summary>
    /// <param name="path">The path.</param>
    /// <param name="mode">The mode of a file that is made.</param>
    /// <exception cref="IOException">It cannot be opened.</exception>
    /// <exception cref="UnauthorizedAccessException">The same, for want of permission.</exception>
    public static FileStream Open(string path, UnixFileMode mode)
    {
        var options = new FileStreamOptions
        {
            Mode = FileMode.Append,
            Access = FileAccess.Write,
            Share = FileShare.ReadWrite | FileShare.Delete,
            BufferSize = 0,
        };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = mode;
        }

        using var read = ThatIsRead(path);
        var file = new FileStream(path, options);
        if (OperatingSystem.IsLinux())
        {
            // .NET looks for the end once, and then writes at its own count of the bytes: over the lines of another process, and behind a
            // gap of zeros when the file was emptied. The flag has the system find the end at each write.
            var handle = (int)file.SafeFileHandle.DangerousGetHandle();
            _ = Control(handle, SetFlags, Control(handle, GetFlags, 0) | Append);
        }

        EndLine(path, file);
        return file;
    }

    /// <summary>
    /// Makes sure that an open for writing does not wait: that of a FIFO does, until somebody reads it, and a start would hang without a
    /// word. The FIFO is held open until the caller has opened it himself: its reader would see the end of it in between.
    /// </summary>
    /// <param name="path">The path; nothing needs to be there.</param>
    /// <exception cref="IOException">It is a FIFO that nobody reads.</exception>
    public static SafeFileHandle? ThatIsRead(string path)
    {
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        var descriptor = OpenFile(path, WriteOnly | NonBlocking | CloseOnExec);
        return descriptor >= 0 ? new SafeFileHandle(descriptor, ownsHandle: true)
            : Marshal.GetLastPInvokeError() == NoSuchDevice ? throw new IOException("it is a FIFO that nobody reads, or a socket")
            : null;
    }

    /// <summary>Writes all of the bytes, or none: a part that a full disk took would stand in the way of the next line.</summary>
    /// <param name="file">The file.</param>
    /// <param name="bytes">Whole lines.</param>
    /// <exception cref="IOException">They cannot be written.</exception>
    public static void Write(FileStream file, ReadOnlySpan<byte> bytes)
    {
        var before = file.CanSeek ? file.Length : 0;
        try
        {
            file.Write(bytes);
            file.Flush();
        }
        catch (IOException)
        {
            TakeBack(file, before, bytes.Length);
            throw;
        }
    }

    /// <summary>Cuts off what was written of some bytes before it failed.</summary>
    /// <param name="file">The file.</param>
    /// <param name="before">Its length before.</param>
    /// <param name="most">How many bytes there were to write: more than these are not ours.</param>
    internal static void TakeBack(FileStream file, long before, int most)
    {
        try
        {
            if (file.CanSeek && file.Length > before && file.Length - before < most)
            {
                RandomAccess.SetLength(file.SafeFileHandle, before);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The part stays; the failed write itself is what the caller hears of.
        }
    }

    // A machine that lost its power may have left half a line. What comes next must not be a part of it.
    private static void EndLine(string path, FileStream file)
    {
        try
        {
            if (!file.CanSeek || file.Length == 0)
            {
                return;
            }

            using var written = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            written.Seek(-1, SeekOrigin.End);
            if (written.ReadByte() != '\n')
            {
                file.Write("\n"u8);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // One that may not be read, or has no room, is appended to as it is.
        }
    }

    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int Control(int file, int command, int argument);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int OpenFile(string path, int flags);
}
