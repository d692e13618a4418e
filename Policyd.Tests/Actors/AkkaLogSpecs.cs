using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Event;
using Akka.Hosting.Logging;
using Policyd.Tests.Support;
using LogLevel = Microsoft.Extensions.Logging.LogLevel;

namespace Policyd.Tests.Actors;

/// <summary>Akka's events in our log: no time, level or thread of their own.</summary>
public sealed class AkkaLogSpecs : IAsyncLifetime
{
    private readonly LogCapture _log = new();
    private ActorSystem _system = null!;

    public ValueTask InitializeAsync()
    {
        var hocon = BootstrapSetup.Create().WithConfig(Akka.Configuration.ConfigurationFactory.ParseString(
            "akka { loglevel = DEBUG, stdout-loglevel = OFF, loggers = [\"Policyd.Actors.Hosting.AkkaLog, Policyd.Actors\"] }"));
        _system = ActorSystem.Create("log", ActorSystemSetup.Create(hocon, new LoggerFactorySetup(_log)));
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync() => await _system.Terminate();

    [Fact]
    public async Task An_event_of_ours_is_its_message_and_one_of_akka_says_so()
    {
        _system.ActorOf(Props.Create(() => new Speaking()));
        _system.EventStream.Publish(new Info("cluster", typeof(ActorSystem), "leader of 1"));
        await Line(LogLevel.Warning, "db: the database is back");
        await Line(LogLevel.Trace, "akka: leader of 1");
    }

    [Fact]
    public async Task A_template_that_does_not_fit_costs_only_itself()
    {
        var log = Logging.GetLogger(_system, this);
        log.Error("{0} and {1", "one");
        log.Error(new InvalidOperationException("the cause"), "after it");
        await Line(LogLevel.Error, "after it");
        Assert.Single(_log.Containing("INVALID LOG FORMAT"));
    }

    private sealed class Speaking : ReceiveActor
    {
        protected override void PreStart() => Context.GetLogger().Warning("{0}: the database is back", "db");
    }

    private Task Line(LogLevel level, string text) =>
        Eventually.Holds($"\"{text}\" in the log: {string.Join(" | ", _log.Lines)}", () => _log.Lines.Contains((level, text)));
}
