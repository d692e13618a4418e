using Akka.Actor;
using Policyd.Actors.Counters;
using Policyd.Plugins.Counters;
using Policyd.Tests.Support;

namespace Policyd.Tests.Counters;

public sealed class LocalOwnersSpecs : IAsyncLifetime
{
    private static readonly CounterKey Key = new("db", "acct_client_address", "192.0.2.1");
    private readonly ActorSystem _system = ActorSystem.Create("owners", "akka.loglevel = OFF");

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync() => await _system.Terminate();

    [SoakTest("a race of four threads, 50 times")]
    [Fact]
    public async Task What_was_taken_before_an_owner_left_stands_before_all_that_it_is_sent_afterwards()
    {
        for (var round = 0; round < 50; round++)
        {
            var owners = new LocalOwners();
            var received = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
            var counting = _system.ActorOf(Props.Create(() => new Counting(received)));
            var owner = new OwnerEntry(Key, EmptyNode.Home());
            owner.Begin(counting);
            owners.Enter(owner);
            var taken = 0;
            using var busy = new CountdownEvent(4);
            var senders = Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
            {
                var signalled = false;
                while (owners.TryTell(Key, "mail"))
                {
                    Interlocked.Increment(ref taken);
                    if (!signalled)
                    {
                        signalled = true;
                        busy.Signal();
                    }
                }
            })).ToList();

            Assert.True(busy.Wait(Eventually.Timeout, TestContext.Current.CancellationToken), "all four senders are at work");
            owner.Close();
            Assert.False(owners.TryTell(Key, "late"));
            Assert.False(owner.TryTell("late"));
            counting.Tell(PoisonPill.Instance);
            await Eventually.Ends("the senders' end", Task.WhenAll(senders).ContinueWith(_ => true, TaskScheduler.Default));
            Assert.Equal(taken, await Eventually.Ends("the owner's end", received.Task));
        }
    }

    private sealed class Counting(TaskCompletionSource<int> end) : UntypedActor
    {
        private int _mails;

        protected override void OnReceive(object message)
        {
            _mails++;
        }

        protected override void PostStop() => end.TrySetResult(_mails);
    }
}
