using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Policyd.Backends.SqlCounters;

/// <summary>A sqlite3_file: SQLite finds the methods of a file at its beginning. What follows is SQLite's own.</summary>
internal unsafe struct SqliteOpenFile
{
    public SqliteFileMethods* Methods;
}

/// <summary>SQLite's sqlite3_io_methods. Only what <see cref="SqliteLogMethods"/> replaces or calls has a name.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct SqliteFileMethods
{
    public int Version;
    public delegate* unmanaged[Cdecl]<SqliteOpenFile*, int> Close;
    public delegate* unmanaged[Cdecl]<SqliteOpenFile*, byte*, int, long, int> Read;
    public delegate* unmanaged[Cdecl]<SqliteOpenFile*, byte*, int, long, int> Write;
    public delegate* unmanaged[Cdecl]<SqliteOpenFile*, long, int> Truncate;
    public delegate* unmanaged[Cdecl]<SqliteOpenFile*, int, int> Sync;
    public delegate* unmanaged[Cdecl]<SqliteOpenFile*, long*, int> FileSize;
    private fixed long _others[Slots - 6];

    private const int Slots = 18;

    /// <summary>A copy with the methods of its version: behind them another version's memory may be anything.</summary>
    public static SqliteFileMethods Copy(SqliteFileMethods* methods)
    {
        var version = Math.Min(3, methods->Version);
        var slots = version switch { 1 => 12, 2 => 16, _ => Slots };
        SqliteFileMethods copy = default;
        Unsafe.CopyBlock(&copy, methods, (uint)(sizeof(nint) * (1 + slots)));
        copy.Version = version;
        return copy;
    }
}

/// <summary>
/// The methods that a write-ahead log has while <see cref="SqliteLogFile"/> is attached, and their state. SQLite calls them in the middle
/// of its work, and an exception would end the process. So all is native memory, nothing is allocated, and nothing in here can throw.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe partial struct SqliteLogMethods
{
    /// <summary>
    /// What is written in one call at most. SQLite's own method takes the length modulo 128 KiB, and reports a write of nothing as a full
    /// disk.
    /// </summary>
    public const int Room = 64 * 1024;

    private const int SyncFailed = 10 | (4 << 8);   // SQLITE_IOERR_FSYNC

    // One pointer for all: .NET may have several to one method.
    private static readonly nint s_write = (nint)(delegate* unmanaged[Cdecl]<SqliteOpenFile*, byte*, int, long, int>)&OnWrite;

    // At the beginning, since the file points here, and the state is found by that.
    private SqliteFileMethods _ours;
    private SqliteFileMethods* _theirs;
    private SqliteOpenFile* _file;
    private long _offset;
    private long _writes;
    private int _count;
    private int _failed;
    private int _descriptor;
    private bool _holds;
    private fixed byte _held[Room];

    /// <summary>How often SQLite's own method was called to write.</summary>
    public readonly long Writes => _writes;

    /// <summary>Whether such methods are in front of the file's own already. Twice they would call themselves without end.</summary>
    public static bool IsAttached(SqliteOpenFile* file) => (nint)file->Methods->Write == s_write;

    /// <summary>Puts these methods in front of the file's own.</summary>
    /// <param name="file">The log, as SQLite has opened it.</param>
    /// <param name="descriptor">The same file, for fdatasync.</param>
    public static SqliteLogMethods* Attach(SqliteOpenFile* file, int descriptor)
    {
        var log = (SqliteLogMethods*)NativeMemory.AllocZeroed((nuint)sizeof(SqliteLogMethods));
        log->_file = file;
        log->_theirs = file->Methods;
        log->_descriptor = descriptor;
        log->_ours = SqliteFileMethods.Copy(file->Methods);
        log->_ours.Close = &OnClose;
        log->_ours.Read = &OnRead;
        log->_ours.Write = (delegate* unmanaged[Cdecl]<SqliteOpenFile*, byte*, int, long, int>)s_write;
        log->_ours.Truncate = &OnTruncate;
        log->_ours.Sync = &OnSync;
        log->_ours.FileSize = &OnFileSize;
        file->Methods = &log->_ours;
        return log;
    }

    /// <summary>The file has its own methods again, unless SQLite has closed it before.</summary>
    public static void Detach(SqliteLogMethods* log)
    {
        if (log->_file != null)
        {
            log->_file->Methods = log->_theirs;
        }

        NativeMemory.Free(log);
    }

    /// <summary>A COMMIT begins: what it writes is held until the first sync.</summary>
    public void Hold() => _holds = true;

    /// <summary>The COMMIT is over: nothing is held any more.</summary>
    /// <param name="write">Whether what is left is written; else it is thrown away.</param>
    public int Release(bool write)
    {
        if (!write)
        {
            _count = 0;
        }

        _holds = false;
        var code = _file == null ? 0 : Flush();
        _failed = 0;
        return code;
    }

    [LibraryImport("libc", EntryPoint = "fdatasync")]
    public static partial int SyncData(int descriptor);

    private static SqliteLogMethods* Of(SqliteOpenFile* file) => (SqliteLogMethods*)file->Methods;

    // After an error nothing is held any more: SQLite ends the transaction. It was told that what was held is written, so that no sync
    // may succeed before it has.
    private int Flush()
    {
        if (_count == 0)
        {
            return _failed;
        }

        var count = _count;
        _count = 0;
        fixed (byte* held = _held)
        {
            var code = WriteThrough(held, count, _offset);
            _holds &= code == 0;
            return _failed = code;
        }
    }

    private int WriteThrough(byte* data, int count, long offset)
    {
        _writes++;
        return _theirs->Write(_file, data, count, offset);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnWrite(SqliteOpenFile* file, byte* data, int count, long offset)
    {
        var log = Of(file);
        var holds = log->_holds && count <= Room;
        if (!holds || offset != log->_offset + log->_count || log->_count + count > Room)
        {
            var code = log->Flush();
            if (code != 0)
            {
                return code;
            }

            log->_offset = offset;
        }

        if (!holds)
        {
            return log->WriteThrough(data, count, offset);
        }

        Unsafe.CopyBlockUnaligned(log->_held + log->_count, data, (uint)count);
        log->_count += count;
        return 0;
    }

    // What SQLite writes after the sync of a commit, if anything, others may read as soon as it has told them of the commit. So it is not
    // held. A log that begins anew is synced after its header, too: the rest of that one commit is written as SQLite does it.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnSync(SqliteOpenFile* file, int flags)
    {
        var log = Of(file);
        var code = log->Flush();
        log->_holds = false;
        return code != 0 ? code : SyncData(log->_descriptor) == 0 ? 0 : SyncFailed;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnRead(SqliteOpenFile* file, byte* data, int count, long offset)
    {
        var log = Of(file);
        var code = log->Flush();
        return code != 0 ? code : log->_theirs->Read(file, data, count, offset);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnTruncate(SqliteOpenFile* file, long size)
    {
        var log = Of(file);
        var code = log->Flush();
        return code != 0 ? code : log->_theirs->Truncate(file, size);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnFileSize(SqliteOpenFile* file, long* size)
    {
        var log = Of(file);
        var code = log->Flush();
        return code != 0 ? code : log->_theirs->FileSize(file, size);
    }

    // It should not come before Detach. If it does, Detach still frees, and leaves the file alone, whose memory is SQLite's again. What is
    // held then is of a transaction that is over: others may be writing there.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnClose(SqliteOpenFile* file)
    {
        var log = Of(file);
        log->_count = 0;
        file->Methods = log->_theirs;
        log->_file = null;
        return file->Methods->Close(file);
    }
}
