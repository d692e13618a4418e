// The wire of the admin endpoint: one JSON object a line, each answered by one. A request is {"command":"counter.get",
// "arguments":{…}}, an answer {"ok":true,"result":{…}} or {"ok":false,"error":{"code":"not_found","message":"…"}}.

using System.Buffers;
using System.Text.Json;
using System.Text.Json.Nodes;
using Policyd.Configuration.Values;

namespace Policyd.Server.Admin;

internal enum LineStatus
{
    Line,

    /// <summary>The other side has closed between two lines.</summary>
    End,

    /// <summary>The other side has closed within a line.</summary>
    Cut,

    /// <summary>The line is longer than it may be.</summary>
    TooLong,
}

/// <summary>Cuts a stream into lines, of at most so many bytes. A line stays valid until the next is asked for.</summary>
internal sealed class LineReader(Stream stream, int longest)
{
    private byte[] _buffer = new byte[Math.Min(longest + 1, 4096)];
    private int _start;
    private int _end;

    public async ValueTask<(LineStatus Status, ReadOnlyMemory<byte> Line)> ReadAsync(CancellationToken ct)
    {
        var searched = _start;
        while (true)
        {
            var feed = _buffer.AsSpan(searched, _end - searched).IndexOf((byte)'\n');
            if (feed >= 0)
            {
                var line = _buffer.AsMemory(_start, searched + feed - _start);
                _start = searched + feed + 1;
                return (LineStatus.Line, line);
            }

            if (_end - _start > longest)
            {
                return (LineStatus.TooLong, default);
            }

            MakeRoom();
            searched = _end;
            var read = await stream.ReadAsync(_buffer.AsMemory(_end), ct);
            if (read == 0)
            {
                return (_end > _start ? LineStatus.Cut : LineStatus.End, default);
            }

            _end += read;
        }
    }

    private void MakeRoom()
    {
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            (_start, _end) = (0, _end - _start);
        }

        if (_end == _buffer.Length)
        {
            Array.Resize(ref _buffer, (int)Math.Min(2L * _buffer.Length, (long)longest + 1));
        }
    }
}

/// <summary>What stands on the lines.</summary>
internal static class AdminMessage
{
    private static readonly JsonDocumentOptions s_reading = new() { MaxDepth = 16 };

    public static ReadOnlyMemory<byte> Request(string command, JsonObject arguments) =>
        Line(new JsonObject { ["command"] = command, ["arguments"] = arguments });

    public static ReadOnlyMemory<byte> Result(JsonNode result) => Line(new JsonObject { ["ok"] = true, ["result"] = result });

    public static ReadOnlyMemory<byte> Error(string code, string message) =>
        Line(new JsonObject { ["ok"] = false, ["error"] = new JsonObject { ["code"] = code, ["message"] = message } });

    /// <summary>The object on a line.</summary>
    /// <exception cref="JsonException">There is none.</exception>
    public static JsonDocument Read(ReadOnlyMemory<byte> line)
    {
        var document = StrictJson.Parse(line, s_reading);
        if (document.RootElement.ValueKind == JsonValueKind.Object)
        {
            return document;
        }

        document.Dispose();
        throw new JsonException("an object was expected");
    }

    private static ReadOnlyMemory<byte> Line(JsonObject message)
    {
        var bytes = new ArrayBufferWriter<byte>(512);
        using (var writer = new Utf8JsonWriter(bytes))
        {
            message.WriteTo(writer);
        }

        bytes.Write("\n"u8);
        return bytes.WrittenMemory;
    }
}
