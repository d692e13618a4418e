namespace Policyd.Backends.Redis;

/// <summary>
/// Follows the replies on a connection to Redis (RESP2 and RESP3) and ends it when one is larger than we ever ask for. The library behind
/// it buffers a reply of any size, and a server that is broken, or none of ours, could fill the memory with one. Apart from any connection.
/// </summary>
internal sealed class RedisReplyBound
{
    /// <summary>The largest value, either way, in bytes: that of memcached.</summary>
    public const int MaxValueBytes = 1_000_000;

    /// <summary>The largest reply with all its parts, in bytes.</summary>
    public const int MaxReplyBytes = 2 * 1024 * 1024;

    private const int MaxLineBytes = 64 * 1024;
    private const int MaxDepth = 16;

    // How many parts of each reply that we are within are still to come.
    private readonly Stack<long> _open = new();
    private long _replyBytes;
    private long _bulkLeft;
    private int _lineBytes;
    private byte _type;
    private long _number;
    private bool _isNumber;

    /// <summary>Takes the next bytes that the server sent.</summary>
    /// <exception cref="IOException">A reply is too large.</exception>
    public void Take(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if (_bulkLeft > 0)
            {
                var part = (int)Math.Min(_bulkLeft, bytes.Length);
                Count(part);
                _bulkLeft -= part;
                bytes = bytes[part..];
                if (_bulkLeft == 0)
                {
                    EndPart();
                }

                continue;
            }

            Count(1);
            TakeOfLine(bytes[0]);
            bytes = bytes[1..];
        }
    }

    private static IOException TooLarge() => new("the server sent a reply that is too large");

    private void TakeOfLine(byte letter)
    {
        if (letter == (byte)'\n')
        {
            EndLine();
            (_type, _lineBytes, _number, _isNumber) = (0, 0, 0, false);
        }
        else if (_lineBytes++ == 0)
        {
            (_type, _isNumber) = (letter, true);
        }
        else if (_lineBytes > MaxLineBytes)
        {
            throw TooLarge();
        }
        else if (letter != (byte)'\r')
        {
            // -1 is no value, as good as none here.
            _isNumber = _isNumber && letter is >= (byte)'0' and <= (byte)'9';
            _number = _isNumber ? Math.Min((_number * 10) + letter - '0', int.MaxValue) : 0;
        }
    }

    private void EndLine()
    {
        switch (_type)
        {
            case (byte)'$' or (byte)'=' or (byte)'!' when _isNumber:
                _bulkLeft = _number <= MaxReplyBytes ? _number + 2 : throw TooLarge();   // and its line end
                break;
            case (byte)'*' or (byte)'~' or (byte)'>' when _number > 0:
                Open(_number);
                break;
            case (byte)'%' or (byte)'|' when _number > 0:
                Open(2 * _number);
                break;
            default:
                EndPart();
                break;
        }
    }

    private void Open(long parts)
    {
        if (_open.Count == MaxDepth)
        {
            throw TooLarge();
        }

        _open.Push(parts);
    }

    private void EndPart()
    {
        while (_open.TryPop(out var left))
        {
            if (left > 1)
            {
                _open.Push(left - 1);
                return;
            }
        }

        _replyBytes = 0;
    }

    private void Count(int bytes)
    {
        _replyBytes += bytes;
        if (_replyBytes > MaxReplyBytes)
        {
            throw TooLarge();
        }
    }
}
