using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Serialization;
using Policyd.Counting.Ledger;
using Policyd.Plugins.Counters;
using static Policyd.Actors.Counters.CounterProtocol;

namespace Policyd.Actors.Counters;

/// <summary>
/// The counter messages between nodes. A manifest names a form that never changes: a new field is a new manifest beside the old one, so
/// that nodes of two versions understand each other while a cluster is upgraded. Every form has a test of its bytes.
/// </summary>
public sealed class CounterMessageSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    /// <summary>Ours for ever: Akka.NET keeps 0 to 40 for itself.</summary>
    public override int Identifier => 4711;

    public override string Manifest(object o) => o switch
    {
        Reserve => "V1",
        Add => "A1",
        Read => "R1",
        FindCounted => "F1",
        Release => "L1",
        Inspect => "I1",
        SetSums => "S2",
        Reading => "r1",
        Counted => "f1",
        Admitted => "v1",
        Inspected => "i1",
        Changed => "s2",
        _ => throw new SerializationException($"{o.GetType()} is not a counter message"),
    };

    public override byte[] ToBinary(object obj)
    {
        using var bytes = new MemoryStream(128);
        using var writer = new BinaryWriter(bytes);
        switch (obj)
        {
            case Reserve reserve:
                Write(writer, reserve.Key);
                Write(writer, reserve.Window);
                writer.Write((byte)reserve.Metric);
                writer.Write(reserve.Threshold);
                Write(writer, reserve.Amounts);
                writer.Write(reserve.Instance);
                break;
            case Add add:
                Write(writer, add.Key);
                Write(writer, add.Window);
                Write(writer, add.Amounts);
                writer.Write(add.Instance);
                Write(writer, add.RequestId);
                break;
            case Read read:
                Write(writer, read.Key);
                Write(writer, read.Window);
                break;
            case FindCounted find:
                Write(writer, find.Key);
                writer.Write(find.RequestIds.Count);
                foreach (var id in find.RequestIds)
                {
                    Write(writer, id);
                }

                break;
            case Release release:
                Write(writer, release.Key);
                writer.Write(release.Instance);
                break;
            case Inspect inspect:
                Write(writer, inspect.Key);
                Write(writer, inspect.Window);
                break;
            case SetSums set:
                Write(writer, set.Key);
                Write(writer, set.Window);
                Write(writer, set.Amounts);
                writer.Write((byte)set.Which);
                break;
            case Reading reading:
                writer.Write((byte)reading.Value.State);
                Write(writer, reading.Value.Total);
                break;
            case Counted counted:
                writer.Write(counted.Yes);
                break;
            case Admitted admitted:
                writer.Write((byte)admitted.Value.State);
                writer.Write(admitted.Value.Admitted);
                Write(writer, admitted.Value.Total);
                break;
            case Inspected inspected:
                writer.Write((byte)inspected.Value.State);
                Write(writer, inspected.Value.Total);
                Write(writer, inspected.Reserved);
                writer.Write(inspected.Mails);
                break;
            case Changed changed:
                writer.Write((byte)changed.State);
                Write(writer, changed.Before);
                Write(writer, changed.After);
                break;
            default:
                throw new SerializationException($"{obj.GetType()} is not a counter message");
        }

        writer.Flush();
        return bytes.ToArray();
    }

    public override object FromBinary(byte[] bytes, string manifest)
    {
        using var reader = new BinaryReader(new MemoryStream(bytes));
        return manifest switch
        {
            "V1" => new Reserve(
                ReadKey(reader),
                ReadWindow(reader),
                (CounterMetric)reader.ReadByte(),
                reader.ReadDouble(),
                ReadAmounts(reader),
                reader.ReadString()),
            "A1" => new Add(ReadKey(reader), ReadWindow(reader), ReadAmounts(reader), reader.ReadString(), ReadRequestId(reader)),
            "R1" => new Read(ReadKey(reader), ReadWindow(reader)),
            "F1" => new FindCounted(
                ReadKey(reader), [.. Enumerable.Range(0, reader.ReadInt32()).Select(_ => ReadRequestId(reader) ?? default)]),
            "L1" => new Release(ReadKey(reader), reader.ReadString()),
            "I1" => new Inspect(ReadKey(reader), ReadWindow(reader)),
            "S2" => new SetSums(ReadKey(reader), ReadWindow(reader), ReadAmounts(reader), (CounterSums)reader.ReadByte()),
            "r1" => new Reading(new CounterReading((CounterState)reader.ReadByte(), ReadAmounts(reader))),
            "f1" => new Counted(reader.ReadBoolean()),
            "v1" => new Admitted(new Admission((CounterState)reader.ReadByte(), reader.ReadBoolean(), ReadAmounts(reader))),
            "i1" => new Inspected(
                new CounterReading((CounterState)reader.ReadByte(), ReadAmounts(reader)), ReadAmounts(reader), reader.ReadInt32()),
            "s2" => new Changed((CounterState)reader.ReadByte(), ReadAmounts(reader), ReadAmounts(reader)),
            _ => throw new SerializationException($"\"{manifest}\" is a counter message of a newer version of policyd"),
        };
    }

    private static void Write(BinaryWriter writer, CounterKey key)
    {
        writer.Write(key.Connection);
        writer.Write(key.Table);
        writer.Write(key.Key);
    }

    private static CounterKey ReadKey(BinaryReader reader) => new(reader.ReadString(), reader.ReadString(), reader.ReadString());

    private static void Write(BinaryWriter writer, CounterWindow window)
    {
        writer.Write(window.Time);
        writer.Write(window.Rolling is { } span ? (long)span.TotalSeconds : 0);
    }

    private static CounterWindow ReadWindow(BinaryReader reader) =>
        new(reader.ReadString(), reader.ReadInt64() is > 0 and var seconds ? TimeSpan.FromSeconds(seconds) : null);

    private static void Write(BinaryWriter writer, CounterAmounts amounts)
    {
        writer.Write(amounts.Count);
        writer.Write(amounts.CountRcpt);
        writer.Write(amounts.Size);
        writer.Write(amounts.SizeRcpt);
    }

    private static CounterAmounts ReadAmounts(BinaryReader reader) =>
        new(reader.ReadInt64(), reader.ReadInt64(), reader.ReadInt64(), reader.ReadInt64());

    private static void Write(BinaryWriter writer, UInt128? id)
    {
        writer.Write(id.HasValue);
        writer.Write((ulong)(id.GetValueOrDefault() >> 64));
        writer.Write((ulong)id.GetValueOrDefault());
    }

    private static UInt128? ReadRequestId(BinaryReader reader)
    {
        var present = reader.ReadBoolean();
        var id = new UInt128(reader.ReadUInt64(), reader.ReadUInt64());
        return present ? id : null;
    }
}
