using System.Buffers;
using System.Text;
using Policyd.Engine.Logging;

namespace Policyd.Server.Logging;

internal enum LineFormat
{
    /// <summary>Time with milliseconds and zone, level, text.</summary>
    Plain,

    /// <summary>systemd's <c>&lt;N&gt;text</c> (sd-daemon(3)); journald adds the time itself.</summary>
    Systemd,
}

/// <summary>Lines to the console: one write a batch.</summary>
internal sealed class StreamSink(Stream stream, LineFormat format, LogFormat content = LogFormat.Text) : ILogSink
{
    private readonly ArrayBufferWriter<byte> _bytes = new();

    public void Write(ReadOnlySpan<LogEvent> batch)
    {
        _bytes.ResetWrittenCount();
        foreach (ref readonly var line in batch)
        {
            LogLine.Append(_bytes, line, format, content);
        }

        stream.Write(_bytes.WrittenSpan);
        stream.Flush();
    }

    public void Reopen()
    {
    }

    public void Dispose() => stream.Dispose();
}

/// <summary>A log file, opened anew when it was rotated.</summary>
internal sealed class FileSink : ILogSink
{
    private const UnixFileMode Mode = AppendedFile.Own | UnixFileMode.GroupRead;

    private readonly string _path;
    private readonly LogFormat _content;
    private readonly ArrayBufferWriter<byte> _bytes = new();
    private FileStream _file;

    /// <exception cref="IOException">The file cannot be opened for appending.</exception>
    /// <exception cref="UnauthorizedAccessException">The same, for want of permission.</exception>
    public FileSink(string path, LogFormat content = LogFormat.Text)
    {
        _path = path;
        _content = content;
        _file = AppendedFile.Open(path, Mode);
    }

    public void Write(ReadOnlySpan<LogEvent> batch)
    {
        _bytes.ResetWrittenCount();
        foreach (ref readonly var line in batch)
        {
            LogLine.Append(_bytes, line, LineFormat.Plain, _content);
        }

        AppendedFile.Write(_file, _bytes.WrittenSpan);
    }

    /// <summary>Keeps the old file when the new one cannot be opened: lines in a renamed file beat lines nowhere.</summary>
    public void Reopen()
    {
        var fresh = AppendedFile.Open(_path, Mode);
        _file.Dispose();
        _file = fresh;
    }

    public void Dispose() => _file.Dispose();
}

internal static class LogLine
{
    public static void Append(ArrayBufferWriter<byte> bytes, in LogEvent line, LineFormat format, LogFormat content)
    {
        if (format == LineFormat.Systemd)
        {
            bytes.Write([(byte)'<', (byte)('0' + line.Severity.Syslog()), (byte)'>']);
        }

        if (content == LogFormat.Json)
        {
            line.AppendJson(bytes, whole: true);
        }
        else
        {
            AppendText(bytes, line, format);
        }

        bytes.Write("\n"u8);
    }

    private static void AppendText(ArrayBufferWriter<byte> bytes, in LogEvent line, LineFormat format)
    {
        if (format == LineFormat.Plain)
        {
            LogTime.Append(bytes, line.Time);
            bytes.Write(" "u8);
            Encoding.UTF8.GetBytes(line.Severity.Name(), bytes);
            bytes.Write(": "u8);
        }

        line.AppendText(bytes);
    }
}
