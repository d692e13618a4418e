using Akka.Actor;
using Policyd.Actors.Counters;
using Policyd.Tests.Support;

namespace Policyd.Tests.Counters;

public sealed class CounterMailboxSpecs
{
    [Fact]
    public void Messages_come_out_in_the_order_they_went_in_at_every_fill()
    {
        var ring = new CounterMailbox.Ring();
        var (entered, left) = (0, 0);
        for (var most = 1; most < 40; most++)
        {
            for (; entered - left < most; entered++)
            {
                ring.Enqueue(ActorRefs.Nobody, new Envelope(entered, ActorRefs.Nobody));
            }

            Assert.Equal(most, ring.Count);
            for (; entered - left > most / 2; left++)
            {
                Assert.True(ring.TryDequeue(out var envelope));
                Assert.Equal(left, envelope.Message);
            }
        }

        while (ring.TryDequeue(out var envelope))
        {
            Assert.Equal(left++, envelope.Message);
        }

        Assert.Equal(entered, left);
        Assert.False(ring.HasMessages);
    }

    [Fact]
    public async Task Nothing_is_lost_or_changes_places_when_many_send_at_once()
    {
        const int Senders = 8;
        const int Each = 20_000;
        await using var system = new Ended(
            ActorSystem.Create("mailbox", CounterMailbox.Naming + "akka { loglevel = OFF, stdout-loglevel = OFF }"));
        var done = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        var actor = system.System.ActorOf(
            Props.CreateBy(new Policyd.Actors.Producer<InOrder>(() => new InOrder(Senders * Each, done))).WithMailbox(CounterMailbox.Id));
        await Task.WhenAll(Enumerable.Range(0, Senders).Select(sender => Task.Run(() =>
        {
            for (var number = 0; number < Each; number++)
            {
                actor.Tell((sender, number), ActorRefs.NoSender);
            }
        })));
        Assert.Equal("", await Eventually.Ends("all messages", done.Task));
    }

    private sealed class InOrder(int expected, TaskCompletionSource<string> done) : UntypedActor
    {
        private readonly Dictionary<int, int> _next = [];
        private int _received;

        protected override void OnReceive(object message)
        {
            var (sender, number) = ((int, int))message;
            if (_next.GetValueOrDefault(sender) != number)
            {
                done.TrySetResult($"sender {sender}: {number} instead of {_next.GetValueOrDefault(sender)}");
            }

            _next[sender] = number + 1;
            if (++_received == expected)
            {
                done.TrySetResult("");
            }
        }
    }

    private sealed record Ended(ActorSystem System) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync() => await System.Terminate();
    }
}
