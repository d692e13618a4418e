using System.Buffers;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Policyd.Engine.Logging;

namespace Policyd.Server.Logging;

/// <summary>
/// Datagrams of RFC 3164 with facility mail to the local syslog socket. The socket is opened when a line needs it and
/// again after a failure (syslogd restarted), at most once a second; lines lost meanwhile are counted and told.
/// </summary>
internal sealed class SyslogSink(string path, string program, int processId, TimeProvider clock, LogFormat content = LogFormat.Text)
    : ILogSink
{
    public const string DefaultPath = "/dev/log";

    /// <summary>The most bytes of a message: rsyslog's own limit is 8 KiB.</summary>
    public const int MaxBytes = 8000;

    private const int MailFacility = 2;

    private readonly string _tag = string.Create(CultureInfo.InvariantCulture, $"{LogText.OneLine(program)}[{processId}]: ");
    private readonly ArrayBufferWriter<byte> _datagram = new();
    private Socket? _socket;
    private long _lost;
    private long _failedAt;

    public void Write(ReadOnlySpan<LogEvent> batch)
    {
        foreach (ref readonly var line in batch)
        {
            if (_lost > 0 && Connected())
            {
                TellLost();
            }

            if (!TrySend(line))
            {
                _lost++;
            }
        }
    }

    public void Reopen() => Close();

    public void Dispose() => Close();

    private void TellLost()
    {
        var text = string.Create(CultureInfo.InvariantCulture, $"log: {_lost} lines were lost while syslog was unavailable");
        if (TrySend(new LogEvent(clock.GetLocalNow(), LogSeverity.Warning, text)))
        {
            _lost = 0;
        }
    }

    private bool TrySend(in LogEvent line)
    {
        if (!Connected())
        {
            return false;
        }

        Format(line);
        try
        {
            _socket!.Send(_datagram.WrittenSpan);
            return true;
        }
        catch (SocketException)
        {
            // The usual reason is a restarted syslogd: its socket is a new one, so one more try on a new connection.
            Close();
            return TryAgain();
        }
    }

    private bool TryAgain()
    {
        if (!Connected())
        {
            return false;
        }

        try
        {
            _socket!.Send(_datagram.WrittenSpan);
            return true;
        }
        catch (SocketException)
        {
            Close();
            _failedAt = clock.GetTimestamp();
            return false;
        }
    }

    private void Format(in LogEvent line)
    {
        // Mmm dd hh:mm:ss, the day padded with a blank (RFC 3164 section 4.1.2).
        var head = string.Create(
            CultureInfo.InvariantCulture,
            $"<{(MailFacility * 8) + line.Severity.Syslog()}>{line.Time:MMM} {line.Time.Day,2} {line.Time:HH:mm:ss} {_tag}");
        _datagram.ResetWrittenCount();
        Encoding.UTF8.GetBytes(head, _datagram);
        var start = _datagram.WrittenCount;
        if (content == LogFormat.Json)
        {
            line.AppendJson(_datagram, whole: true);
            if (_datagram.WrittenCount - start > MaxBytes)
            {
                // Half an object is none: the same event with less of its request.
                _datagram.ResetWrittenCount();
                Encoding.UTF8.GetBytes(head, _datagram);
                line.AppendJson(_datagram, whole: false);
            }
        }
        else
        {
            line.AppendText(_datagram);
            Cut(start + MaxBytes);
        }
    }

    private void Cut(int most)
    {
        if (_datagram.WrittenCount <= most)
        {
            return;
        }

        // Not within a character: its further bytes begin with the bits 10.
        var text = _datagram.WrittenSpan;
        while ((text[most] & 0xc0) == 0x80)
        {
            most--;
        }

        var kept = text[..most].ToArray();
        _datagram.ResetWrittenCount();
        _datagram.Write(kept);
        _datagram.Write("..."u8);
    }

    private bool Connected()
    {
        if (_socket is not null)
        {
            return true;
        }

        if (_failedAt != 0 && clock.GetElapsedTime(_failedAt) < TimeSpan.FromSeconds(1))
        {
            return false;
        }

        var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { SendTimeout = 1000 };
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
            _socket = socket;
            _failedAt = 0;
            return true;
        }
        catch (SocketException)
        {
            socket.Dispose();
            _failedAt = clock.GetTimestamp();
            return false;
        }
    }

    private void Close()
    {
        _socket?.Dispose();
        _socket = null;
    }
}
