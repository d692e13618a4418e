using Akka.Actor;
using Microsoft.Extensions.Logging.Abstractions;
using Policyd.Actors.Sessions;
using Policyd.Engine.Chain;
using Policyd.Engine.Sessions;
using Policyd.Plugins.Api;
using Policyd.Plugins.Sessions;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Actors;

public sealed class InstanceRouterActorSpecs : IAsyncLifetime
{
    private readonly ActorSystem _system = ActorSystem.Create("router", "akka.loglevel = OFF");
    private readonly IActorRef _router;

    public InstanceRouterActorSpecs() => _router = _system.ActorOf(InstanceRouterActor.Props(
        new RequestRunner(new NoSessionStore(), NullLogger.Instance),
        new RouterSettings(keepQuiet: 8, TimeSpan.FromMinutes(1)),
        NullLogger.Instance));

    private List<IActorRef> Sessions => [.. ((ActorRefWithCell)_router).Children];

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync() => await _system.Terminate();

    [Fact]
    public async Task Many_instances_leave_no_more_actors_than_are_kept()
    {
        var host = Host(static _ => ServerUnderTest.Answer("OK"));
        for (var i = 0; i < 200; i++)
        {
            // A hundred at once, more than are kept; then all of them fall quiet.
            var answers = Enumerable.Range(0, 100).Select(j => Ask(host, $"{i}.{j}")).ToList();
            Assert.All(
                await Eventually.Ends("a hundred answers", Task.WhenAll(answers)), static outcome => Assert.Equal("OK", outcome.Action));
        }

        await Eventually.Holds("at most eight actors", () => Sessions.Count <= 8);
    }

    [Fact]
    public async Task Requests_that_wait_for_their_instance_are_answered_however_many_they_are()
    {
        var (entered, released) = (new TaskCompletionSource(), new TaskCompletionSource());
        var hanging = Host(async _ =>
        {
            entered.TrySetResult();
            await released.Task;
            return PluginResult.Answer("OK");
        });
        var first = Ask(hanging, "one");
        await entered.Task.WaitAsync(Eventually.Timeout, TestContext.Current.CancellationToken);

        // As many as would fill the stack, if each were run within the one before it.
        var host = Host(static _ => ServerUnderTest.Answer("OK"));
        var waiting = Enumerable.Range(0, 100_000).Select(_ => Ask(host, "one")).ToList();
        Assert.Single(Sessions);
        released.SetResult();
        Assert.Equal("OK", (await Eventually.Ends("the first answer", first)).Action);
        Assert.All(await Eventually.Ends("the other answers", Task.WhenAll(waiting)), static outcome => Assert.Equal("OK", outcome.Action));
    }

    [Fact]
    public async Task A_session_actor_that_dies_fails_its_requests_and_the_instance_lives_on()
    {
        var entered = new TaskCompletionSource();
        var never = new TaskCompletionSource();
        var hanging = Host(async _ =>
        {
            entered.TrySetResult();
            await never.Task;
            return PluginResult.Answer("OK");
        });
        var running = Ask(hanging, "one");
        var waiting = Ask(hanging, "one");
        await entered.Task.WaitAsync(Eventually.Timeout, TestContext.Current.CancellationToken);
        Assert.Single(Sessions).Tell(Kill.Instance);
        Assert.Null((await Eventually.Ends("the failure of the running request", running)).Action);
        Assert.NotNull((await Eventually.Ends("the failure of the waiting request", waiting)).Failure);

        await Eventually.Holds("the dead actor to be gone", () => Sessions.Count == 0);
        Assert.Equal("OK", (await Eventually.Ends("an answer", Ask(Host(static _ => ServerUnderTest.Answer("OK")), "one"))).Action);
        never.SetResult();
    }

    [Fact]
    public async Task A_request_sent_after_the_death_of_its_actor_and_before_the_news_of_it_fails_at_once()
    {
        var never = new TaskCompletionSource();
        var entered = new TaskCompletionSource();
        var running = Ask(
            Host(async _ =>
            {
                entered.TrySetResult();
                await never.Task;
                return PluginResult.Answer("OK");
            }),
            "one");
        await entered.Task.WaitAsync(Eventually.Timeout, TestContext.Current.CancellationToken);

        // While the router is suspended, the late request stands in its mailbox before the news of the death.
        var router = (IInternalActorRef)_router;
        router.Suspend();
        var late = Ask(Host(static _ => ServerUnderTest.Answer("OK")), "one");
        var session = (ActorRefWithCell)Assert.Single(Sessions);
        session.Stop();
        await Eventually.Holds("the actor to be dead", () => session.Underlying.IsTerminated);
        router.Resume();
        Assert.NotNull((await Eventually.Ends("the failure of the running request", running)).Failure);
        Assert.NotNull((await Eventually.Ends("the failure of the late request", late)).Failure);
        never.SetResult();
    }

    private static VirtualHost Host(Func<PluginContext, ValueTask<PluginResult>> script) => new(
        "test",
        new PluginChain([new ScriptPlugin { Name = "s", Script = ScriptPlugin.Register(script) }]),
        new ChainEnvironment(TimeProvider.System, NullLogger.Instance, ActionGrammar.Default));

    private Task<ChainOutcome> Ask(VirtualHost host, string instance)
    {
        var answer = new TaskCompletionSource<ChainOutcome>(TaskCreationOptions.RunContinuationsAsynchronously);
        var request = PolicyRequestBuilder.AccessPolicy().Add("instance", instance).ToRequest();
        _router.Tell(new PendingRequest(request, host, Environment.TickCount64 + 60_000, pending => answer.SetResult(pending.Outcome)));
        return answer.Task;
    }
}
