using System.Collections.Concurrent;
using Akka.Actor;
using Policyd.Actors.Counters;
using Policyd.Plugins.Counters;
using Policyd.Tests.Support;

namespace Policyd.Tests.Counters;

/// <summary>How often the owners of a node are looked at.</summary>
public sealed class IdleOwnersSpecs : IAsyncLifetime
{
    private readonly ActorSystem _system = ActorSystem.Create("idle", "akka { loglevel = OFF, stdout-loglevel = OFF }");

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync() => await _system.Terminate();

    [Fact]
    public async Task Every_owner_is_looked_at_again_and_again()
    {
        var looks = Owners(100, new CounterSettings { PassivateAfter = TimeSpan.FromMilliseconds(60) });
        await Eventually.Holds("each owner to be looked at three times", () => looks.Count == 100 && looks.Values.All(count => count >= 3));
    }

    [Fact]
    public async Task None_is_looked_at_much_more_often_than_the_others_however_many_there_are()
    {
        // More than are at ease: a step takes more of them, also across the end of a round.
        var looks = Owners(1000, new CounterSettings { PassivateAfter = TimeSpan.FromSeconds(6), OwnersAtEase = 10 });
        await Eventually.Holds(
            "each owner to be looked at three times", () => looks.Count == 1000 && looks.Values.All(count => count >= 3));
        var counts = looks.Values.ToArray();
        Assert.InRange(counts.Max() - counts.Min(), 0, 2);
    }

    [Fact]
    public async Task One_alone_is_looked_at_no_more_often_than_one_of_many()
    {
        var settings = new CounterSettings { PassivateAfter = TimeSpan.FromSeconds(1) };
        var alone = Owners(1, settings);
        var many = Owners(120, settings);
        await Eventually.Holds("each of many to be looked at four times", () => many.Count == 120 && many.Values.All(count => count >= 4));
        Assert.InRange(alone.Values.Single(), 1, 8);
    }

    private ConcurrentDictionary<int, int> Owners(int count, CounterSettings settings)
    {
        var looks = new ConcurrentDictionary<int, int>();
        var home = EmptyNode.Home(settings);
        for (var number = 0; number < count; number++)
        {
            var mine = number;
            var owner = new OwnerEntry(new CounterKey("db", "acct_sender", $"{mine}"), home);
            owner.Begin(_system.ActorOf(Props.Create(() => new Looked(looks, mine))));
            home.Node.Owners.Enter(owner);
        }

        _system.ActorOf(PassivationActor.Props(home.Node));
        return looks;
    }

    private sealed class Looked(ConcurrentDictionary<int, int> looks, int number) : UntypedActor
    {
        protected override void OnReceive(object message)
        {
            if (message is CounterProtocol.LookWhetherIdle)
            {
                looks.AddOrUpdate(number, 1, static (_, count) => count + 1);
            }
        }
    }
}
