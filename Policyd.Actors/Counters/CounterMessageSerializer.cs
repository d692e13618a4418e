using System.Buffers.Binary;
using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Serialization;
using static Policyd.Actors.Counters.CounterPostProtocol;

namespace Policyd.Actors.Counters;

/// <summary>
/// The counter messages between nodes. A manifest names a message; its form is versioned inside (<see cref="CounterWire"/>). Every form has
/// a test of its bytes.
/// </summary>
public sealed class CounterMessageSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    /// <summary>Ours for ever: Akka.NET keeps 0 to 40 for itself.</summary>
    public override int Identifier => 4711;

    /// <inheritdoc/>
    public override string Manifest(object o) => o switch
    {
        FindPartition => "F",
        PartitionHere => "H",
        Ask => "A",
        Answers => "a",
        Release => "R",
        FindOwner => "O",
        OwnerFound => "o",
        _ => throw new SerializationException($"{o.GetType()} is not a counter message"),
    };

    /// <inheritdoc/>
    public override byte[] ToBinary(object obj) => obj switch
    {
        FindPartition find => Number(find.Number),
        PartitionHere here => Number(here.Number),
        Ask ask => ask.Bytes,
        Answers answers => answers.Bytes,
        Release release => release.Bytes,
        FindOwner find => find.Bytes,
        OwnerFound owner => Number(owner.IsInMemory ? 1 : 0),
        _ => throw new SerializationException($"{obj.GetType()} is not a counter message"),
    };

    /// <inheritdoc/>
    public override object FromBinary(byte[] bytes, string manifest) => manifest switch
    {
        "F" => new FindPartition(Number(bytes)),
        "H" => new PartitionHere(Number(bytes)),
        "A" => new Ask(bytes),
        "a" => new Answers(bytes),
        "R" => new Release(bytes),
        "O" => new FindOwner(bytes),
        "o" => new OwnerFound(Number(bytes) != 0),
        _ => throw new SerializationException($"\"{manifest}\" is not a counter message that this version knows"),
    };

    private static byte[] Number(int number)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(bytes, number);
        return bytes;
    }

    private static int Number(byte[] bytes) => bytes.Length == 4
        ? BinaryPrimitives.ReadInt32BigEndian(bytes)
        : throw new SerializationException($"a number of {bytes.Length} bytes");
}
