using System.Buffers;
using System.IO.Compression;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using Policyd.Server.Descriptors;
using Policyd.Server.ExitCodes;

namespace Policyd.Server.Replaying;

/// <summary>
/// Reads a recording or a JSON log line by line, so that its length does not matter; <c>.gz</c> is unpacked, <c>-</c> is the standard
/// input. What is no answered request is passed over; lines that cannot be read are counted, and the first of them is kept.
/// </summary>
internal sealed class RecordedFile(string path) : IAsyncDisposable
{
    // The largest request as base64, with all that stands around it.
    private const int LongestLine = 4 * 1024 * 1024;
    private readonly Stream _file = Open(path);

    /// <summary>The bytes that were read of the file, as they lie on the disk.</summary>
    public long Position => _file.CanSeek ? _file.Position : 0;

    /// <summary>Its length; 0 when it is not known.</summary>
    public long Length => _file.CanSeek ? _file.Length : 0;

    /// <summary>How many lines could not be read.</summary>
    public int Unreadable { get; private set; }

    /// <summary>What is wrong with the first of them, and where.</summary>
    public string? FirstError { get; private set; }

    /// <summary>Why the rest of a packed file could not be read, and from where on; null when all of it was.</summary>
    public string? Broken { get; private set; }

    /// <summary>Reads the requests, as far as they can be read.</summary>
    public async IAsyncEnumerable<RecordedRequest> ReadAsync([EnumeratorCancellation] CancellationToken ct)
    {
        var packed = new PackedInput(_file);
        var stream = path.EndsWith(".gz", StringComparison.Ordinal) ? new GZipStream(packed, CompressionMode.Decompress) : _file;
        var lines = PipeReader.Create(stream, new StreamPipeReaderOptions(bufferSize: 128 * 1024, leaveOpen: true));
        var number = 0L;
        var isTooLong = false;
        while (true)
        {
            ReadResult read;
            try
            {
                read = await lines.ReadAsync(ct);
            }
            catch (InvalidDataException)
            {
                var how = packed.HasEnded ? "cut short" : "damaged, or none of gzip,";
                Broken = $"{path}: the compressed file is {how} after line {number}";
                break;
            }

            var buffer = read.Buffer;
            while (TryCut(ref buffer, read.IsCompleted, out var line))
            {
                number++;
                if (isTooLong || line.Length > LongestLine)
                {
                    isTooLong = false;
                    Note(number, "the line is too long");
                }
                else if (Read(number, line) is { } request)
                {
                    yield return request;
                }
            }

            if (read.IsCompleted)
            {
                break;
            }

            if (buffer.Length > LongestLine)
            {
                isTooLong = true;
                buffer = buffer.Slice(buffer.End);
            }

            lines.AdvanceTo(buffer.Start, buffer.End);
        }

        await lines.CompleteAsync();
    }

    public ValueTask DisposeAsync() => _file.DisposeAsync();

    private static Stream Open(string path)
    {
        if (path == "-")
        {
            return StandardDescriptor.Input();
        }

        if (Directory.Exists(path))
        {
            throw new CommandException(ExitCode.NoInput, $"{path} is a directory, not a file");
        }

        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        }
        catch (Exception missing) when (missing is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CommandException(ExitCode.NoInput, $"there is no file {path}");
        }
    }

    private static bool TryCut(ref ReadOnlySequence<byte> buffer, bool isEnd, out ReadOnlySequence<byte> line)
    {
        if (buffer.PositionOf((byte)'\n') is { } end)
        {
            line = buffer.Slice(0, end);
            buffer = buffer.Slice(buffer.GetPosition(1, end));
            return true;
        }

        line = buffer;
        if (isEnd && !buffer.IsEmpty)
        {
            buffer = buffer.Slice(buffer.End);
            return true;
        }

        return false;
    }

    private RecordedRequest? Read(long number, in ReadOnlySequence<byte> line)
    {
        RecordedRequest.TryRead(line.IsSingleSegment ? line.FirstSpan : line.ToArray(), out var request, out var error);
        if (error is not null)
        {
            Note(number, error);
        }

        return request;
    }

    private void Note(long number, string error)
    {
        Unreadable++;
        FirstError ??= $"{path}:{number}: {error}";
    }
}
