using Microsoft.Win32.SafeHandles;

namespace Policyd.Counting.Spool;

/// <summary>
/// The spool file of an earlier life, whose process has ended. It stays locked until what is in it is in the database.
/// </summary>
internal sealed class FormerSpool : IDisposable
{
    private readonly FileStream _file;
    private readonly Dictionary<string, long> _mails = new(StringComparer.Ordinal);
    private readonly SortedSet<long> _sequences = [];

    private FormerSpool(string path, SafeFileHandle file)
    {
        Path = path;
        _file = new FileStream(file, FileAccess.ReadWrite, bufferSize: 0);
        WrittenAt = File.GetLastWriteTimeUtc(file);
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>Whose it is; null when it is no spool that this server can read.</summary>
    public SpoolHeader? Header { get; private set; }

    /// <summary>The server was killed while it made the file: there is nothing in it.</summary>
    public bool IsEmptyStart { get; private set; }

    /// <summary>How many bytes at its end are no whole entries.</summary>
    public long CutBytes { get; private set; }

    /// <summary>When it was last written.</summary>
    public DateTimeOffset WrittenAt { get; }

    /// <summary>The time of its first entry.</summary>
    public DateTimeOffset OldestAt { get; private set; } = DateTimeOffset.MaxValue;

    /// <summary>The time of its last entry.</summary>
    public DateTimeOffset NewestAt { get; private set; } = DateTimeOffset.MinValue;

    /// <summary>The tables that have entries which are not known to be in the database.</summary>
    public IReadOnlyCollection<string> Tables => _mails.Keys;

    /// <summary>The commits that were under way with entries when the database went away.</summary>
    public IReadOnlyCollection<long> Sequences => _sequences;

    /// <summary>Looks through a file that is locked.</summary>
    public static FormerSpool Read(string path, SafeFileHandle file)
    {
        var spool = new FormerSpool(path, file);
        try
        {
            spool.Look();
        }
        catch (IOException)
        {
            // Its disk is damaged: what could be read is known, and the file stays.
        }

        return spool;
    }

    /// <summary>How many mails of a table were spooled.</summary>
    public long MailsOf(string table) => _mails.GetValueOrDefault(table);

    /// <summary>All entries, in their order. One walk at a time.</summary>
    public IEnumerable<SpoolEntry> Entries()
    {
        _file.Position = 0;
        return new SpoolReader(_file).Entries();
    }

    /// <summary>All entries of the table are in the database. After the last table the file is deleted.</summary>
    public void Done(string table)
    {
        if (_mails.Remove(table) && _mails.Count == 0)
        {
            SpoolFolder.TryDelete(Path);
            Dispose();
        }
    }

    /// <summary>Closes the file, and leaves it for another life if anything is left in it.</summary>
    public void Dispose() => _file.Dispose();

    private void Look()
    {
        var reader = new SpoolReader(_file);
        Header = reader.Header;
        IsEmptyStart = Header is null && reader.OtherVersion is null && IsPartOfHead();
        foreach (var entry in reader.Entries())
        {
            var isMail = !entry.IsAbsolute;
            _mails[entry.Table] = _mails.GetValueOrDefault(entry.Table) + (isMail ? entry.Amounts.Count : 0);
            OldestAt = entry.At < OldestAt ? entry.At : OldestAt;
            NewestAt = entry.At > NewestAt ? entry.At : NewestAt;
            if (entry.Sequence > 0)
            {
                _sequences.Add(entry.Sequence);
            }
        }

        CutBytes = Header is null ? 0 : _file.Length - reader.ValidLength;
    }

    private bool IsPartOfHead()
    {
        ReadOnlySpan<byte> begin = [.. SpoolFormat.Magic, SpoolFormat.Version];
        var there = new byte[begin.Length];
        _file.Position = 0;
        var length = _file.ReadAtLeast(there, there.Length, throwOnEndOfStream: false);
        return begin.StartsWith(there.AsSpan(0, length)) && _file.Length < FirstFrameEnd();
    }

    /// <summary>Where the head would end; a file that has only a part of it has no entry.</summary>
    private long FirstFrameEnd()
    {
        Span<byte> length = stackalloc byte[4];
        _file.Position = SpoolFormat.Magic.Length + 1;
        return _file.ReadAtLeast(length, 4, throwOnEndOfStream: false) < 4
            ? long.MaxValue
            : _file.Position + 4 + System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(length);
    }
}
