using System.Buffers;
using Policyd.Engine.Logging;
using Policyd.Server.Logging;

namespace Policyd.Server.Recording;

/// <summary>
/// The recording's two files: the present one, and the one before it, which the next takes the place of. When a disk is full, or the file
/// cannot be written for another reason, the recording ends; the server is told once, and goes on.
/// </summary>
internal sealed class RecordFile : ILogSink
{
    private readonly string _path;
    private readonly long _mostBytes;
    private readonly ValueMask _mask;
    private readonly Action<Exception> _ended;
    private readonly ArrayBufferWriter<byte> _bytes = new();
    private readonly ArrayBufferWriter<byte> _line = new();
    private FileStream? _file;
    private long _length;

    /// <param name="path">The present file.</param>
    /// <param name="mostBytes">The most bytes of both files.</param>
    /// <param name="mask">What is not kept.</param>
    /// <param name="ended">Told when nothing more can be written.</param>
    /// <exception cref="IOException">The file cannot be opened.</exception>
    /// <exception cref="UnauthorizedAccessException">The same, for want of permission.</exception>
    public RecordFile(string path, long mostBytes, ValueMask mask, Action<Exception> ended)
    {
        (_path, _mostBytes, _mask, _ended) = (path, mostBytes, mask, ended);
        Open();
    }

    /// <summary>Where the part before the present one is.</summary>
    public static string Former(string path) => path + ".1";

    public void Write(ReadOnlySpan<LogEvent> batch)
    {
        if (_file is null)
        {
            return;
        }

        try
        {
            foreach (ref readonly var line in batch)
            {
                if (line.Message is RequestRecord record)
                {
                    Write(line.Time, record);
                }
            }

            Flush();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            End(failure);
        }
    }

    /// <summary>The file was moved away, or there is room again: begins anew.</summary>
    public void Reopen()
    {
        try
        {
            _file?.Dispose();
            Open();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            End(failure);
        }
    }

    public void Dispose() => _file?.Dispose();

    private void Write(DateTimeOffset time, RequestRecord record)
    {
        _line.ResetWrittenCount();
        RecordedLine.Append(_line, time, record, _mask);
        if (_length + _bytes.WrittenCount + _line.WrittenCount > _mostBytes / 2)
        {
            Flush();
            _file!.Dispose();
            File.Move(_path, Former(_path), overwrite: true);
            Open();
        }

        _bytes.Write(_line.WrittenSpan);
    }

    private void Flush()
    {
        AppendedFile.Write(_file!, _bytes.WrittenSpan);
        _length += _bytes.WrittenCount;
        _bytes.ResetWrittenCount();
    }

    private void End(Exception failure)
    {
        _bytes.ResetWrittenCount();
        _file?.Dispose();
        _file = null;
        _ended(failure);
    }

    private void Open()
    {
        var file = AppendedFile.Open(_path, AppendedFile.Own);
        if (!file.CanSeek)
        {
            file.Dispose();
            throw new IOException("it is a FIFO, and a recording needs a file");
        }

        _file = file;
        _length = file.Length;
    }
}
