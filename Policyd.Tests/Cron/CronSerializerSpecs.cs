using System.Runtime.Serialization;
using System.Text;
using Akka.Actor;
using Policyd.Actors.Cron;

namespace Policyd.Tests.Cron;

/// <summary>
/// The forms of the ledger's events and of the messages between nodes: a ledger written today is read by every later version.
/// </summary>
public sealed class CronSerializerSpecs : IAsyncLifetime
{
    private const string RunText =
        """{"task":"daily","scheduled":"2026-11-23T03:00:00+01:00","started":"2026-11-23T03:00:00+01:00","""
        + "\"duration\":\"00:00:01.5000000\",\"result\":\"failed\",\"failures\":2}";

    private static readonly DateTimeOffset At = new(2026, 11, 23, 3, 0, 0, TimeSpan.FromHours(1));
    private static readonly CronRun Run = new("daily", At, At, TimeSpan.FromSeconds(1.5), CronResult.Failed, 2);
    private readonly ActorSystem _system = ActorSystem.Create("cron-serializer", "akka.loglevel = OFF");

    public static TheoryData<string, string> Forms => new()
    {
        { "known1", """{"task":"daily","since":"2026-11-23T03:00:00+01:00"}""" },
        { "started1", """{"task":"daily","scheduled":"2026-11-23T03:00:00+01:00","at":"2026-11-23T03:00:00+01:00"}""" },
        { "ended1", """{"task":"daily","at":"2026-11-23T03:00:00+01:00","failures":2}""" },
        {
            "ledger1",
            """{"entries":[{"task":"daily","since":"2026-11-23T03:00:00+01:00","last_scheduled":"2026-11-23T03:00:00+01:00","""
                + "\"last_run\":" + RunText + "}]}"
        },
        { "list1", "{}" },
        { "tasks1", """{"tasks":[{"name":"daily","expression":"0 3 * * *","next":"2026-11-23T03:00:00+01:00"}]}""" },
        { "run1", """{"name":"daily"}""" },
        {
            "ran1",
            "{\"run\":" + RunText + "}"
        },
        { "none1", """{"name":"dayly","known":["daily"]}""" },
    };

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync() => await _system.Terminate();

    [Theory]
    [MemberData(nameof(Forms))]
    public void Every_form_keeps_its_bytes(string manifest, string json)
    {
        var serializer = new CronSerializer((ExtendedActorSystem)_system);
        var message = serializer.FromBinary(Encoding.UTF8.GetBytes(json), manifest);
        Assert.Equal(manifest, serializer.Manifest(message));
        // '+' is escaped by the writer; the reader takes both.
        Assert.Equal(json, Encoding.UTF8.GetString(serializer.ToBinary(message)).Replace("\\u002B", "+", StringComparison.Ordinal));
    }

    [Fact]
    public void What_is_written_is_read_the_same()
    {
        var serializer = new CronSerializer((ExtendedActorSystem)_system);
        Assert.Equal(new CronProtocol.TaskRan(Run), serializer.FromBinary(serializer.ToBinary(new CronProtocol.TaskRan(Run)), "ran1"));
        Assert.Equal(
            new CronEvents.Started("daily", null, At),
            serializer.FromBinary(serializer.ToBinary(new CronEvents.Started("daily", null, At)), "started1"));
    }

    [Theory]
    [InlineData("started1", "")]
    [InlineData("started1", "null")]
    [InlineData("started1", "{\"task\":")]
    [InlineData("ended1", "[]")]
    [InlineData("started2", "{}")]
    public void Damage_is_a_serialization_error(string manifest, string json) =>
        Assert.Throws<SerializationException>(
            () => new CronSerializer((ExtendedActorSystem)_system).FromBinary(Encoding.UTF8.GetBytes(json), manifest));
}
