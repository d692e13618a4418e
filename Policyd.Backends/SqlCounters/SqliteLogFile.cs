using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Data.Sqlite;
using Microsoft.Win32.SafeHandles;
using Policyd.Backends.Sql;
using SQLitePCL;

namespace Policyd.Backends.SqlCounters;

/// <summary>
/// The write-ahead log of the writer's connection, with fewer calls of the system for a commit. SQLite writes each page with two calls and
/// then calls fsync, which also writes the file's time of change. Here the pages of a COMMIT are one write, and the sync is fdatasync.
/// Writes are held only while the COMMIT runs, and no longer than to its sync. Until then SQLite holds the lock of all writers and has told
/// nobody of the pages. Were they written later, they could overwrite what another connection has committed.
/// </summary>
internal sealed unsafe partial class SqliteLogFile : IDisposable
{
    private const int JournalPointer = 28;   // SQLITE_FCNTL_JOURNAL_POINTER
    private const int Header = 32;
    private const int SynchronousFull = 2;
    private readonly sqlite3 _database;
    private SqliteLogMethods* _methods;

    private SqliteLogFile(sqlite3 database, SqliteOpenFile* file, SafeFileHandle sameFile)
    {
        (_database, Descriptor) = (database, sameFile);

        // The methods know the number alone: it must not become another file's as long as they are there.
        var isHeld = false;
        sameFile.DangerousAddRef(ref isHeld);
        _methods = SqliteLogMethods.Attach(file, (int)sameFile.DangerousGetHandle());
    }

    /// <summary>How often something was written to the log: tests count.</summary>
    internal long Writes => _methods->Writes;

    /// <summary>The descriptor of our own: a sync concerns a file, whichever descriptor it was written through. Tests break it.</summary>
    internal SafeFileHandle Descriptor { get; }

    /// <summary>
    /// Attaches to the log of a connection on which a COMMIT has succeeded. So the log is open, and SQLite has synced its folder, which
    /// fdatasync would not. Null where this does not fit: the connection works as before.
    /// </summary>
    public static SqliteLogFile? TryAttach(SqliteConnection connection)
    {
        SafeFileHandle? sameFile = null;
        try
        {
            // Without FULL no sync would end the hold before SQLite tells others of the commit. A shared cache shares the log, too.
            if (!OperatingSystem.IsLinux()
                || sizeof(nint) != sizeof(long)
                || SqliteDatabase.WrittenFile(connection.ConnectionString) is null
                || new SqliteConnectionStringBuilder(connection.ConnectionString).Cache == SqliteCacheMode.Shared
                || Pragma(connection, "journal_mode") != "wal"
                || int.Parse(Pragma(connection, "synchronous"), CultureInfo.InvariantCulture) < SynchronousFull)
            {
                return null;
            }

            var database = connection.Handle!;
            SqliteOpenFile* file = null;
            if (Control(database.DangerousGetHandle(), "main", JournalPointer, &file) != raw.SQLITE_OK
                || file == null
                || file->Methods == null
                || file->Methods->Version < 1
                || SqliteLogMethods.IsAttached(file))
            {
                return null;
            }

            sameFile = File.OpenHandle(
                raw.sqlite3_db_filename(database, "main").utf8_to_string() + "-wal",
                FileMode.Open,
                FileAccess.ReadWrite,
                FileShare.ReadWrite | FileShare.Delete);
            if (IsSame(file, sameFile) && SqliteLogMethods.SyncData((int)sameFile.DangerousGetHandle()) == 0)
            {
                var log = new SqliteLogFile(database, file, sameFile);
                sameFile = null;
                return log;
            }
        }
        catch (Exception)
        {
            // The commit before this is done, and must not fail for what only makes the next ones faster.
        }
        finally
        {
            sameFile?.Dispose();
        }

        return null;
    }

    /// <summary>A COMMIT is about to run.</summary>
    public void Begin() => _methods->Hold();

    /// <summary>The COMMIT has run, and ROLLBACK has not.</summary>
    /// <param name="succeeded">Whether it succeeded. If not, it may have ended the transaction all the same. What is held then must not be
    /// written: another connection may be writing there.</param>
    public void End(bool succeeded)
    {
        var code = _methods->Release(write: succeeded || raw.sqlite3_get_autocommit(_database) == 0);
        if (succeeded)
        {
            SqliteException.ThrowExceptionForRC(code, _database);
        }
    }

    /// <summary>Detaches; before the connection is closed or goes back to its pool.</summary>
    public void Dispose()
    {
        if (_methods != null)
        {
            SqliteLogMethods.Detach(_methods);
            _methods = null;
            Descriptor.DangerousRelease();
            Descriptor.Dispose();
        }
    }

    // The header of a log has two random numbers. A file that was put in its place has others.
    private static bool IsSame(SqliteOpenFile* file, SafeFileHandle other)
    {
        var theirs = stackalloc byte[Header];
        var ours = stackalloc byte[Header];
        return file->Methods->Read(file, theirs, Header, 0) == raw.SQLITE_OK
            && RandomAccess.Read(other, new Span<byte>(ours, Header), 0) == Header
            && new Span<byte>(theirs, Header).SequenceEqual(new Span<byte>(ours, Header));
    }

    private static string Pragma(SqliteConnection connection, string name)
    {
        using var command = connection.Command("PRAGMA " + name);
        return Convert.ToString(command.ExecuteScalar(), CultureInfo.InvariantCulture)!;
    }

    [LibraryImport("e_sqlite3", EntryPoint = "sqlite3_file_control", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Control(nint database, string schema, int operation, void* argument);
}
