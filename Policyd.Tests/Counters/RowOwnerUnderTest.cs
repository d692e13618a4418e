using System.Collections.Concurrent;
using Policyd.Plugins.Counters;

namespace Policyd.Tests.Counters;

/// <summary>Stands for the owner of rows: keeps what the writer tells it.</summary>
internal sealed class RowOwnerUnderTest : IRowOwner
{
    private readonly ConcurrentQueue<RowReport> _reports = new();
    private readonly ConcurrentQueue<(uint Number, bool IsSettled)> _settled = new();

    public IReadOnlyList<RowReport> Told => [.. _reports];

    public IReadOnlyList<(uint Number, bool IsSettled)> Settled => [.. _settled];

    public uint Reports { get; set; }

    public void Tell(RowReport report) => _reports.Enqueue(report);

    public void TellCounted(FindCountedOperation find) => throw new InvalidOperationException("nobody has asked");

    public void TellSettled(uint number, bool isSettled) => _settled.Enqueue((number, isSettled));
}
