namespace Policyd.Bench.Echo;

/// <summary>
/// Counts the ends of requests (LF LF) in a stream that may be cut anywhere; all that the echo understands of the protocol.
/// </summary>
public struct EmptyLineCounter
{
    private bool _afterLineFeed;

    /// <summary>How many requests end in the next bytes of the stream.</summary>
    public int Count(ReadOnlySpan<byte> bytes)
    {
        var ends = 0;
        if (_afterLineFeed && bytes.StartsWith("\n"u8))
        {
            ends++;
            bytes = bytes[1..];
            _afterLineFeed = false;
        }

        for (var at = bytes.IndexOf("\n\n"u8); at >= 0; at = bytes.IndexOf("\n\n"u8))
        {
            ends++;
            bytes = bytes[(at + 2)..];
            _afterLineFeed = false;
        }

        if (!bytes.IsEmpty)
        {
            _afterLineFeed = bytes[^1] == (byte)'\n';
        }

        return ends;
    }
}
