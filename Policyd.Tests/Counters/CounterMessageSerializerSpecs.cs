using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Configuration;
using Policyd.Actors.Counters;
using Policyd.Actors.Hosting;
using Policyd.Counting.Owners;
using Policyd.Plugins.Counters;
using static Policyd.Actors.Counters.CounterPostProtocol;

namespace Policyd.Tests.Counters;

/// <summary>
/// The bytes between nodes. They are golden: a change of one is a new version, or nodes of two versions misread each other while a cluster
/// is upgraded.
/// </summary>
public sealed class CounterMessageSerializerSpecs : IDisposable
{
    private const string KeyBytes = "026462" + "0B616363745F73656E646572" + "03614062";
    private const string AmountsBytes = "0204060F";

    private const string MailBytes = "00000000000000030000000000000004";
    private const string NoMailBytes = "00000000000000000000000000000000";

    private static readonly MailId Mail = new(new UInt128(3, 4));
    private static readonly CounterKey Key = new("db", "acct_sender", "a@b");
    private static readonly CounterWindow Month = new("2026-11");
    private static readonly CounterWindow Hour = CounterWindow.OfBucket(TimeSpan.FromHours(1), 300);
    private static readonly CounterAmounts Amounts = new(1, 2, 3, -8);

    private readonly ActorSystem _system = ActorSystem.Create("bytes", "akka { loglevel = OFF, stdout-loglevel = OFF }");

    private static readonly (string Bytes, CounterOperation Operation)[] s_operations =
    [
        ("00" + KeyBytes + "0007323032362D3131", new ReadOperation(Key, Month)),
        ("00" + KeyBytes + "901CAC02", new ReadOperation(Key, Hour)),
        (
            "01" + KeyBytes + "0007323032362D3131" + "02" + "4059400000000000" + AmountsBytes + MailBytes,
            new ReserveOperation(Key, Month, CounterMetric.Size, 101, Amounts, Mail)
        ),
        (
            "02" + KeyBytes + "901CAC02" + AmountsBytes + MailBytes + "01" + "00000000000000010000000000000002" + "00",
            new AddOperation(Key, Hour, Amounts, Mail, new UInt128(1, 2))
        ),
        (
            "02" + KeyBytes + "901CAC02" + AmountsBytes + MailBytes + "02" + "00000000000000010000000000000002"
                + "00000000000000050000000000000006" + "01" + "000000000000000B" + "02" + "4059400000000000"
                + "01" + "FFFFFFFFFFFFFFFF" + "00" + "3FF0000000000000" + "00",
            new AddOperation(Key, Hour, Amounts, Mail, new UInt128(1, 2))
            {
                FormerId = new UInt128(5, 6),
                Admission = Check(Key, CounterMetric.Size, 101, life: 11, Check(
                    Key with { Key = "another" }, CounterMetric.Count, 7, life: 12, Check(
                        Key, CounterMetric.Count, 1, life: ulong.MaxValue))),
            }
        ),
        (
            "02" + KeyBytes + "0007323032362D3131" + AmountsBytes + NoMailBytes + "00" + "00",
            new AddOperation(Key, Month, Amounts, MailId.None, null)
        ),
        ("03" + KeyBytes + "01" + "00000000000000010000000000000002", new FindCountedOperation(Key, [new UInt128(1, 2)])),
        ("04" + KeyBytes + "0007323032362D3131", new InspectOperation(Key, Month)),
        (
            "05" + KeyBytes + "0007323032362D3131" + "05" + AmountsBytes,
            new SetSumsOperation(Key, Month, Amounts, CounterSums.Count | CounterSums.Size)
        ),
    ];

    public void Dispose() => _system.Dispose();

    [Fact]
    public void Operations_have_these_bytes()
    {
        for (var index = 0; index < s_operations.Length; index++)
        {
            var (bytes, operation) = s_operations[index];
            var written = WireBytes.Of([(300, operation)]);
            Assert.Equal("03" + "01" + "AC02" + bytes, Convert.ToHexString(written));
            var (number, read) = Assert.Single(CounterWire.ReadOperations(written));
            Assert.Equal(300ul, number);
            Assert.Equal(operation.GetType(), read.GetType());
            Assert.Equal((operation.Key, operation.Window, operation.Mail), (read.Key, read.Window, read.Mail));
            Assert.Equal("03" + "01" + "AC02" + bytes, Convert.ToHexString(WireBytes.Of([(number, read)])));
        }
    }

    [Fact]
    public void Answers_and_releases_have_these_bytes()
    {
        var deferred = new WireAnswer(
            7,
            WireAnswerKind.Answer,
            new CounterAnswer(CounterState.Deferred, CounterReason.Database, true, true, Amounts))
        {
            Other = new CounterAmounts(1, 0, 0, 0),
            Mails = 2,
        };
        var admitted = new WireAnswer(9, WireAnswerKind.Answer, CounterAnswer.Known(Amounts)) { Life = 11 };
        var stale = new WireAnswer(10, WireAnswerKind.Answer, CounterAnswer.Stale);
        var moved = new WireAnswer(8, WireAnswerKind.NotHere, default);
        var written = WireBytes.Of([deferred, moved, admitted, stale]);
        Assert.Equal(
            "03" + "04" + "07" + "00" + "010103" + AmountsBytes + "02000000" + "02" + "08" + "01"
                + "09" + "00" + "000005" + AmountsBytes + "00000000" + "00" + "000000000000000B"
                + "0A" + "00" + "030000" + "00000000" + "00000000" + "00",
            Convert.ToHexString(written));
        Assert.Equal([deferred, moved, admitted, stale], CounterWire.ReadAnswers(written));

        var key = CounterWire.Write(Key);
        Assert.Equal($"{CounterWire.Version:X2}" + KeyBytes, Convert.ToHexString(key));
        Assert.Equal(Key, CounterWire.ReadKey(key));
        Assert.Throws<InvalidDataException>(() => CounterWire.ReadKey([.. key, 0]));

        var release = CounterWire.Write(Key, Mail, null);
        Assert.Equal("03" + KeyBytes + MailBytes + "00", Convert.ToHexString(release));
        Assert.Equal((Key, Mail, null), CounterWire.ReadRelease(release));
        var ofWindow = CounterWire.Write(Key, Mail, Month);
        Assert.Equal("03" + KeyBytes + MailBytes + "01" + "0007323032362D3131", Convert.ToHexString(ofWindow));
        Assert.Equal((Key, Mail, Month), CounterWire.ReadRelease(ofWindow));
    }

    [Fact]
    public void Damaged_bytes_and_another_version_are_told_and_nothing_else_happens()
    {
        var whole = WireBytes.Of(s_operations.Select((one, number) => ((ulong)number, one.Operation)));
        for (var length = 0; length < whole.Length; length++)
        {
            Assert.Throws<InvalidDataException>(() => CounterWire.ReadOperations(whole[..length]));
        }

        Assert.Throws<InvalidDataException>(() => CounterWire.ReadOperations([.. whole, 0]));
        Assert.Contains(
            "version 4", Assert.Throws<InvalidDataException>(() => CounterWire.ReadOperations([4])).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidDataException>(() => CounterWire.ReadOperations([2, 0]));
        Assert.Throws<InvalidDataException>(() => CounterWire.ReadOperations([3, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F]));
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        for (var run = 0; run < 5_000; run++)
        {
            var bytes = whole.ToArray();
            bytes[random.Next(1, bytes.Length)] = (byte)random.Next(256);
            var exception = Record.Exception(() => CounterWire.ReadOperations(bytes));
            Assert.True(exception is null or InvalidDataException, $"seed {seed}, run {run}: {exception}");
        }
    }

    [Fact]
    public void Akka_finds_the_serializer_for_each_message_and_reads_what_it_wrote()
    {
        using var system = Strict();
        ICounterMessage[] messages =
        [
            new FindPartition(7), new PartitionHere(63), new Ask(WireBytes.Of([(1, s_operations[0].Operation)])),
            new Answers([3, 0]), new Release(CounterWire.Write(Key, Mail, null)),
            new FindOwner(CounterWire.Write(Key)), new OwnerFound(true)
        ];
        Assert.Equal(
            typeof(CounterPostProtocol).GetNestedTypes().Where(type => type.IsAssignableTo(typeof(ICounterMessage))).Order(Comparer),
            messages.Select(one => one.GetType()).Order(Comparer));
        foreach (var message in messages)
        {
            var serializer = Assert.IsType<CounterMessageSerializer>(system.Serialization.FindSerializerFor(message));
            var read = serializer.FromBinary(serializer.ToBinary(message), serializer.Manifest(message));
            Assert.Equal(serializer.ToBinary(message), serializer.ToBinary(read));
            Assert.Equal(message.GetType(), read.GetType());
        }
    }

    [Fact]
    public void Type_without_a_serializer_of_its_own_never_leaves_or_enters_a_node()
    {
        using var system = Strict();
        Assert.Throws<SerializationException>(() => system.Serialization.FindSerializerFor(new Unregistered()));
        Assert.Throws<SerializationException>(() => system.Serialization.FindSerializerFor(s_operations[0].Operation));
    }

    [Fact]
    public void What_no_version_knows_is_refused()
    {
        var serializer = new CounterMessageSerializer((ExtendedActorSystem)_system);
        Assert.Throws<SerializationException>(() => serializer.FromBinary([], "Z9"));
        Assert.Throws<SerializationException>(() => serializer.FromBinary([1], "F"));
        Assert.Throws<SerializationException>(() => serializer.Manifest("a text"));
    }

    private static ReserveOperation Check(
        CounterKey key, CounterMetric metric, double threshold, ulong life, ReserveOperation? before = null) =>
        new(key, Hour, metric, threshold, Amounts, Mail) { Life = life, AdmittedBefore = before };

    /// <summary>As a server that others reach has it, but without its port.</summary>
    private static ActorSystem Strict() => ActorSystem.Create(
        "strict",
        ConfigurationFactory.ParseString("akka { loglevel = OFF, stdout-loglevel = OFF, actor.provider = local }")
            .WithFallback(ConfigurationFactory.ParseString(NetworkSettings.Remote)));

    private sealed record Unregistered;

    private static Comparer<Type> Comparer { get; } = Comparer<Type>.Create(static (a, b) => string.CompareOrdinal(a.Name, b.Name));
}
