using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>
/// A message to another node while it gathers: operations or answers, each written when it comes. Only the message itself is made anew.
/// </summary>
internal sealed class WireBatch
{
    // A frame between nodes has at most 1 MiB, and one operation may be long.
    private const int MostBytes = 256 * 1024;

    private readonly WireWriter _head = new();
    private readonly WireWriter _body = new();

    public int Count { get; private set; }

    /// <summary>Whether nothing more may come.</summary>
    public bool IsFull => Count == CounterWire.MostOperations || _body.Length >= MostBytes;

    public void Add(ulong number, CounterOperation operation)
    {
        Begin(number);
        CounterWire.Write(_body, operation);
    }

    public void Add(in WireAnswer answer)
    {
        Begin(answer.Number);
        CounterWire.Write(_body, answer);
    }

    /// <summary>The bytes of what has gathered; the next message begins.</summary>
    public byte[] Take()
    {
        _head.Clear();
        _head.Byte(CounterWire.Version);
        _head.Number((ulong)Count);
        byte[] message = [.. _head.Written, .. _body.Written];
        _body.Clear();
        Count = 0;
        return message;
    }

    private void Begin(ulong number)
    {
        Count++;
        _body.Number(number);
    }
}
