using Akka.Actor;
using Policyd.Actors.Counters;
using Policyd.Actors.Hosting;
using Policyd.Counting.Ledger;
using Policyd.Plugins.Counters;

namespace Policyd.Tests.Counters;

/// <summary>
/// The bytes between nodes. A change of these lines is a change that an old node does not understand: give it a new manifest.
/// </summary>
public sealed class CounterMessageSerializerSpecs : IDisposable
{
    private static readonly CounterKey Key = new("db", "acct_sender", "a@b");
    private static readonly CounterWindow Month = new("2026-11");
    private static readonly CounterAmounts Amounts = new(1, 2, 3, 4);
    private readonly ActorSystem _system = ActorSystem.Create("serializer");

    public static TheoryData<string, string, ICounterMessage> Messages => new()
    {
        { "V1", "0264620B616363745F73656E64657203614062" + "07323032362D3131" + "0000000000000000" + "02" + "0000000000405940" + Four
            + "03312E32", new CounterProtocol.Reserve(Key, Month, CounterMetric.Size, 101, Amounts, "1.2") },
        {
            "A1",
            "0264620B616363745F73656E64657203614062" + "0C77333630303A303030303031" + "100E000000000000" + Four + "03312E32" + "01"
                + "0100000000000000" + "0200000000000000",
            new CounterProtocol.Add(Key, new CounterWindow("w3600:000001", TimeSpan.FromHours(1)), Amounts, "1.2", new UInt128(1, 2))
        },
        { "R1", "0264620B616363745F73656E64657203614062" + "07323032362D3131" + "0000000000000000", new CounterProtocol.Read(Key, Month) },
        {
            "F1", "0264620B616363745F73656E64657203614062" + "01000000" + "01" + "0100000000000000" + "0200000000000000",
            new CounterProtocol.FindCounted(Key, [new UInt128(1, 2)])
        },
        { "L1", "0264620B616363745F73656E64657203614062" + "03312E32", new CounterProtocol.Release(Key, "1.2") },
        {
            "I1", "0264620B616363745F73656E64657203614062" + "07323032362D3131" + "0000000000000000",
            new CounterProtocol.Inspect(Key, Month)
        },
        {
            "S2", "0264620B616363745F73656E64657203614062" + "07323032362D3131" + "0000000000000000" + Four + "05",
            new CounterProtocol.SetSums(Key, Month, Amounts, CounterSums.Count | CounterSums.Size)
        },
        { "r1", "01" + Four, new CounterProtocol.Reading(new CounterReading(CounterState.Deferred, Amounts)) },
        { "f1", "01", new CounterProtocol.Counted(true) },
        { "v1", "00" + "01" + Four, new CounterProtocol.Admitted(new Admission(CounterState.Known, true, Amounts)) },
        {
            "i1", "00" + Four + Four + "07000000",
            new CounterProtocol.Inspected(new CounterReading(CounterState.Known, Amounts), Amounts, 7)
        },
        { "s2", "02" + Four + Four, new CounterProtocol.Changed(CounterState.Unavailable, Amounts, Amounts) },
    };

    private static string Four => "0100000000000000" + "0200000000000000" + "0300000000000000" + "0400000000000000";

    [Theory]
    [MemberData(nameof(Messages))]
    public void Message_has_these_bytes_for_ever(string manifest, string bytes, ICounterMessage message)
    {
        var serializer = new CounterMessageSerializer((ExtendedActorSystem)_system);
        Assert.Equal(manifest, serializer.Manifest(message));
        Assert.Equal(bytes, Convert.ToHexString(serializer.ToBinary(message)));
        Assert.Equivalent(message, serializer.FromBinary(serializer.ToBinary(message), manifest));
    }

    [Fact]
    public void Message_of_a_newer_version_is_refused_by_name()
    {
        var serializer = new CounterMessageSerializer((ExtendedActorSystem)_system);
        Assert.Contains(
            "Z9",
            Assert.Throws<System.Runtime.Serialization.SerializationException>(() => serializer.FromBinary([], "Z9")).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Every_message_between_nodes_has_its_bytes_here()
    {
        var known = Messages.Select(row => row.Data.Item3.GetType()).ToHashSet();
        Assert.All(
            typeof(CounterProtocol).GetNestedTypes().Where(type => type.IsAssignableTo(typeof(ICounterMessage))),
            type => Assert.Contains(type, known));
    }

    [Fact]
    public void Type_without_a_serializer_of_its_own_never_leaves_or_enters_a_node()
    {
        // As a server that others reach has it, but without its port.
        using var system = ActorSystem.Create(
            "strict",
            Akka.Configuration.ConfigurationFactory.ParseString("akka { loglevel = OFF, stdout-loglevel = OFF, actor.provider = local }")
                .WithFallback(Akka.Configuration.ConfigurationFactory.ParseString(NetworkSettings.Remote)));
        Assert.IsType<CounterMessageSerializer>(system.Serialization.FindSerializerFor(new CounterProtocol.Read(Key, Month)));
        Assert.Throws<System.Runtime.Serialization.SerializationException>(
            () => system.Serialization.FindSerializerFor(new Unregistered()));
    }

    private sealed record Unregistered;

    public void Dispose() => _system.Dispose();
}
