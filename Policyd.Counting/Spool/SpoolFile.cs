using System.Buffers;
using Microsoft.Win32.SafeHandles;

namespace Policyd.Counting.Spool;

/// <summary>
/// The spool of the present life of a writer. It is made when it is first needed, and locked for as long as this process has it open, so
/// that another server never takes it for one that was left behind. Used by one thread at a time.
/// </summary>
/// <param name="folder">Where it lies.</param>
/// <param name="header">Whose it is.</param>
internal sealed class SpoolFile(SpoolFolder folder, SpoolHeader header) : IDisposable
{
    private const int KeptBuffer = 1024 * 1024;

    private readonly string _path = folder.PathOf(header.Node);
    private ArrayBufferWriter<byte> _buffer = new();
    private SafeFileHandle? _file;
    private long _length;
    private long _headLength;
    private bool _isTorn;

    /// <summary>How many bytes it has; 0 before it is made.</summary>
    public long Length => Volatile.Read(ref _length);

    /// <summary>
    /// Writes a group and syncs it. When this returns the group outlives the process and the machine; when it throws, nothing of the group
    /// is in the file.
    /// </summary>
    /// <exception cref="SpoolException">The group was not taken.</exception>
    public void Append(IReadOnlyList<SpoolEntry> group)
    {
        ArgumentNullException.ThrowIfNull(group);
        try
        {
            _buffer.ResetWrittenCount();
            foreach (var entry in group)
            {
                SpoolFormat.WriteEntry(_buffer, entry);
            }

            Open();
            CheckSize(_buffer.WrittenCount);
            Write(_buffer.WrittenSpan);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new SpoolException($"the spool {_path} takes nothing: {exception.Message}", exception);
        }
        finally
        {
            if (_buffer.Capacity > KeptBuffer)
            {
                _buffer = new ArrayBufferWriter<byte>();
            }
        }
    }

    /// <summary>All entries are in the database. What cannot be cut off is harmless: the database knows that it has it.</summary>
    public void Empty()
    {
        if (_file is not null)
        {
            TryCut(_headLength);
        }
    }

    /// <summary>All entries are in the database and no more come.</summary>
    public void Delete()
    {
        if (_file is not null)
        {
            SpoolFolder.TryDelete(_path);
            Dispose();
        }
    }

    /// <summary>Closes it and leaves it for the next start.</summary>
    public void Dispose()
    {
        _file?.Dispose();
        _file = null;
        Volatile.Write(ref _length, 0);
    }

    private void Open()
    {
        if (_file is not null)
        {
            return;
        }

        folder.Create();
        var file = SpoolFolder.OpenLocked(_path, FileMode.CreateNew);
        try
        {
            var head = new ArrayBufferWriter<byte>();
            SpoolFormat.WriteHeader(head, header);
            RandomAccess.Write(file, head.WrittenSpan, 0);
            RandomAccess.FlushToDisk(file);
            folder.SyncNames();
            _file = file;
            _headLength = head.WrittenCount;
            Volatile.Write(ref _length, _headLength);
        }
        catch
        {
            file.Dispose();
            SpoolFolder.TryDelete(_path);
            throw;
        }
    }

    private void CheckSize(long more)
    {
        var all = folder.SizeOfOthers(_path) + _length + more;
        if (all > folder.MaxSize)
        {
            throw new SpoolException($"the spool {folder.Path} is full: it may have {folder.MaxSize} bytes (max_size)");
        }
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        if (_isTorn && !TryCut(_length))
        {
            throw new IOException("an incomplete group at its end cannot be cut off");
        }

        try
        {
            RandomAccess.Write(_file!, bytes, _length);
            RandomAccess.FlushToDisk(_file!);
            Volatile.Write(ref _length, _length + bytes.Length);
        }
        catch
        {
            TryCut(_length);
            throw;
        }
    }

    private bool TryCut(long length)
    {
        try
        {
            RandomAccess.SetLength(_file!, length);
            RandomAccess.FlushToDisk(_file!);
            Volatile.Write(ref _length, length);
            _isTorn = false;
        }
        catch (IOException)
        {
            _isTorn = true;
        }

        return !_isTorn;
    }
}
