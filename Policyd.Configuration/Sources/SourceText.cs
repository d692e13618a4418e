using System.Text;
using System.Text.Unicode;
using Policyd.Configuration.Tree;

namespace Policyd.Configuration.Sources;

// From a path to text, for both languages. Whatever a path can be but a readable text file (absent, a folder, forbidden, huge, binary)
// ends here as a diagnostic, so that no reader ever meets it.
internal static class SourceText
{
    /// <summary>Reads a file as UTF-8, its byte order mark removed.</summary>
    /// <param name="path">The file.</param>
    /// <param name="maxBytes">How large it may be.</param>
    /// <param name="diagnostics">Where errors go.</param>
    /// <param name="askedAt">The include that asked for it; null for the main file.</param>
    /// <returns>The text, or null after an error.</returns>
    public static string? Load(string path, int maxBytes, DiagnosticBag diagnostics, SourcePosition? askedAt = null)
    {
        var at = askedAt ?? SourcePosition.WholeFile(path);
        var subject = askedAt is null ? "this file" : $"the included file {Printable.Quote(path)}";
        if (Directory.Exists(path))
        {
            diagnostics.Error(at, $"{subject} is a folder; a file is required");
            return null;
        }

        // The main file may be what a shell pipes (<(…)). An include is no place for that, and a start must not wait there for a writer.
        if (askedAt is not null && RegularFile.Problem(path) is { } problem)
        {
            diagnostics.Error(at, $"{subject} cannot be read: {problem}");
            return null;
        }

        try
        {
            var bytes = ReadBounded(path, maxBytes);
            if (bytes is not null)
            {
                return Decode(bytes, path, diagnostics);
            }

            diagnostics.Error(at, $"{subject} is larger than {maxBytes} bytes");
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            diagnostics.Error(at, $"{subject} does not exist");
        }
        catch (UnauthorizedAccessException)
        {
            diagnostics.Error(at, $"{subject} cannot be read by the user {Environment.UserName}: permission denied");
        }
        catch (Exception e) when (e is IOException or ArgumentException or NotSupportedException)
        {
            diagnostics.Error(at, $"{subject} cannot be read: {e.Message}");
        }

        return null;
    }

    // Bounded while reading, not by the length told beforehand: a device or a pipe tells none.
    private static byte[]? ReadBounded(string path, int maxBytes)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var buffer = new MemoryStream();
        var chunk = new byte[32 * 1024];
        for (int read; (read = stream.Read(chunk)) > 0;)
        {
            if (buffer.Length + read > maxBytes)
            {
                return null;
            }

            buffer.Write(chunk, 0, read);
        }

        return buffer.ToArray();
    }

    private static string? Decode(ReadOnlySpan<byte> bytes, string path, DiagnosticBag diagnostics)
    {
        if (bytes.StartsWith(Encoding.UTF8.Preamble))
        {
            bytes = bytes[Encoding.UTF8.Preamble.Length..];
        }

        var nul = bytes.IndexOf((byte)0);
        if (nul >= 0)
        {
            diagnostics.Error(PositionOf(bytes[..nul], path), "found a NUL byte: this is not a UTF-8 text file");
            return null;
        }

        if (Utf8.IsValid(bytes))
        {
            return Encoding.UTF8.GetString(bytes);
        }

        var bad = ValidPrefix(bytes);
        diagnostics.Error(PositionOf(bytes[..bad], path), $"byte 0x{bytes[bad]:x2} is not valid UTF-8; save the file as UTF-8");
        return null;
    }

    private static int ValidPrefix(ReadOnlySpan<byte> bytes)
    {
        var offset = 0;
        while (offset < bytes.Length
            && Rune.DecodeFromUtf8(bytes[offset..], out _, out var consumed) == System.Buffers.OperationStatus.Done)
        {
            offset += consumed;
        }

        return offset;
    }

    private static SourcePosition PositionOf(ReadOnlySpan<byte> before, string path)
    {
        var lineStart = before.LastIndexOf((byte)'\n') + 1;
        return new SourcePosition(path, before.Count((byte)'\n') + 1, Encoding.UTF8.GetCharCount(before[lineStart..]) + 1);
    }
}
