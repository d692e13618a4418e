namespace Policyd.Protocol;

/// <summary>
/// Walks the <c>name=value</c> lines of a request. LF ends a line, and a CR before it belongs to the line end; a CR without an LF is part
/// of the value. One walker serves the reader, which checks each line, the request, which looks for names it has no index for, and whoever
/// sends a request on.
/// </summary>
/// <param name="bytes">The request, with or without the empty line that closes it.</param>
public ref struct RequestLines(ReadOnlySpan<byte> bytes)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;
    private int _next = 0;

    /// <summary>Where the line begins, in bytes.</summary>
    public int Start { get; private set; }

    /// <summary>How many bytes it has, without its line end.</summary>
    public int Length { get; private set; }

    /// <summary>Where the next line begins: behind this one and its line end.</summary>
    public readonly int Next => Math.Min(_next, _bytes.Length);

    /// <summary>The line, without its line end.</summary>
    public readonly ReadOnlySpan<byte> Line => _bytes.Slice(Start, Length);

    /// <summary>Goes to the next line; false at the empty line that closes the request, and at the end of the bytes.</summary>
    public bool MoveNext()
    {
        if (_next >= _bytes.Length)
        {
            return false;
        }

        var rest = _bytes[_next..];
        var end = rest.IndexOf((byte)'\n');
        var length = end < 0 ? rest.Length : end;
        Start = _next;
        _next += length + 1;
        if (end > 0 && rest[end - 1] == '\r')
        {
            length--;
        }

        Length = length;
        return length > 0;
    }
}
