using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Policyd.Actors.Sessions;
using Policyd.Configuration;
using Policyd.Configuration.Hocon;
using Policyd.Engine.Building;
using Policyd.Engine.Chain;
using Policyd.Engine.Decisions;
using Policyd.Engine.Following;
using Policyd.Engine.Logging;
using Policyd.Engine.Model;
using Policyd.Engine.Sessions;
using Policyd.Plugins.Sessions;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Actors;

[Collection(Alone.Name)]
public sealed class RequestPathAllocationSpecs(ITestOutputHelper output)
{
    private const int Windows = 8;
    private const int Warm = 300;
    private const int Requests = 2000;

    // None: the thread that reads a request answers it. What is counted is the rest of the process.
    private const double MostWorkItems = 1;

    private const long Slack = 8;

    // Measured here: 983 bytes. The published server under load makes less (Policyd.Bench compare).
    private const long MostGarbage = 1040;

    [Fact]
    public async Task Running_a_request_allocates_nothing_beside_the_chain_when_everything_is_synchronous()
    {
        Needs.OptimizedBuild();
        const int Rounds = 10_000;
        var runner = new RequestRunner(new NoSessionStore(), NullLogger.Instance);
        var request = PolicyRequestBuilder.AccessPolicy().Add("instance", "1").ToRequest();
        var host = new VirtualHost(
            "test", new PluginChain([]), new ChainEnvironment(TimeProvider.System, NullLogger.Instance, ActionGrammar.Default));
        var pending = new PendingRequest[Rounds];
        for (var i = 0; i < Rounds; i++)
        {
            pending[i] = new PendingRequest(request, host, Environment.TickCount64 + 3_600_000, static _ => { });
        }

        var session = new Session();
        await runner.RunAsync(pending[0], session);
        await host.RunAsync(request, session, TimeSpan.FromSeconds(1));
        var chain = Allocated(
            () =>
            {
                var run = host.RunAsync(request, session, TimeSpan.FromSeconds(1));
                Assert.True(run.IsCompletedSuccessfully);
            },
            Rounds);
        var next = 0;
        var whole = Allocated(
            () =>
            {
                var run = runner.RunAsync(pending[next++], session);
                Assert.True(run.IsCompletedSuccessfully);
            },
            Rounds);
        Assert.True(whole <= chain + Slack, $"{whole} bytes a request, of which the chain's are {chain}");
    }

    [Fact]
    public async Task A_request_through_the_whole_server_makes_little_garbage_and_few_work_items()
    {
        Needs.OptimizedBuild();
        await using var server = await ServerUnderTest.StartAsync(
            """
            policyd { listen = ["127.0.0.1:0"], session_cache { module = None }
              virtual_hosts = [ { name = test, port = "127.0.0.1:0", plugins = [ { name = tag, module = AddScoreHeader } ] } ] }
            """,
            logs: LogLevel.Warning);
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        var least = await Task.Factory.StartNew(
            () =>
            {
                socket.Connect(IPAddress.Loopback, server.Endpoint.Port);   // one that has connected asynchronously allocates to wait
                return LeastCost(socket);
            },
            TestContext.Current.CancellationToken,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
        Summary.Line(output, $"a plain request: {least.Bytes} bytes of garbage, {least.WorkItems:F2} work items");
        Assert.InRange(least.Bytes, 0, MostGarbage);
        Assert.InRange(least.WorkItems, 0, MostWorkItems);
    }

    [Fact]
    public async Task The_request_line_is_logged_once_with_the_virtual_host_and_control_characters_escaped()
    {
        await using var server = await ServerUnderTest.AnsweringAsync();
        using var socket = await server.ConnectAsync();
        await socket.SendAsync("request=smtpd_access_policy\ninstance=a\u001bb\n\n"u8.ToArray());
        await ServerUnderTest.ReadAnswersAsync(socket, 1);
        await Eventually.Holds("the line of the request", () => server.Log.Containing("elapsed_ms=").Any());
        var line = Assert.Single(server.Log.Containing("elapsed_ms="));
        Assert.StartsWith("test: ", line, StringComparison.Ordinal);
        Assert.DoesNotContain(line, static c => char.IsControl(c));
        Assert.Contains(server.Log.Lines, entry => entry.Message == line && entry.Level == LogLevel.Information);
    }

    [Fact]
    public void The_line_of_a_request_allocates_nothing_when_the_log_does_not_show_it_and_its_record_alone_when_it_does()
    {
        const int Rounds = 1_000;
        var request = PolicyRequestBuilder.AccessPolicy().Add("instance", "1").Add("sender", "a@example.org").ToRequest();
        var records = new List<object>(2 * Rounds);
        Assert.Equal(0, Measure(new Listening(LogLevel.Warning, records)));
        Assert.Empty(records);
        Assert.InRange(Measure(new Listening(LogLevel.Information, records)), 1, 112);
        Assert.Equal(Rounds + 1, records.Count);

        long Measure(ILogger logger)
        {
            using var factory = new One(logger);
            var document = HoconReader.Read(
                """policyd { listen = ["127.0.0.1:12345"], virtual_hosts = [ { name = x, port = 12345, plugins = [ { name = t, """
                    + """module = AddScoreHeader } ] } ] }""");
            var model = ModelBuilder.Build(document, new ModelEnvironment { LoggerFactory = factory })!;
            var listeners = new DecisionListeners();
            var outcome = new ChainOutcome("dunno", "t", null, new Session());
            model.LogReceived(model.VirtualHosts[0], request);
            model.Report(model.VirtualHosts[0], request, TimeSpan.FromMilliseconds(1), outcome, listeners);
            return Allocated(
                () =>
                {
                    model.LogReceived(model.VirtualHosts[0], request);
                    model.Report(model.VirtualHosts[0], request, TimeSpan.FromMilliseconds(1), outcome, listeners);
                },
                Rounds);
        }
    }

    [Fact]
    public void A_request_that_no_listener_keeps_costs_its_record_and_nothing_for_each_plugin()
    {
        const int Rounds = 1_000;
        var request = PolicyRequestBuilder.AccessPolicy().Add("instance", "1").Add("sender", "a@example.org").ToRequest();
        using var factory = new One(new Listening(LogLevel.Warning, []));
        var document = HoconReader.Read(
            """policyd { listen = ["127.0.0.1:12345"], virtual_hosts = [ { name = x, port = 12345, plugins = [ """
                + string.Concat(Enumerable.Range(0, 10).Select(
                    static number => $"{{ name = t{number}, module = Condition, key = sender, match = b, action = reject }}, "))
                + "] } ] }");
        var model = ModelBuilder.Build(document, new ModelEnvironment { LoggerFactory = factory })!;
        var listeners = new DecisionListeners();
        var silent = Measure();
        var keepsSome = new KeepsRefusals();
        using var listening = listeners.Listen(keepsSome);
        var heard = Measure();
        Summary.Line(output, $"a request of ten plugins that no listener keeps: {heard - silent} bytes more");
        Assert.InRange(heard - silent, 1, 240);
        Assert.Equal(["t0", "t9"], new[] { keepsSome.Last![0], keepsSome.Last[^1] });
        Assert.Equal(10, keepsSome.Last.Count);

        long Measure()
        {
            Once();
            return Allocated(Once, Rounds);
        }

        void Once()
        {
            var recorder = listeners.NewRecorder();
            var outcome = Ended(model.VirtualHosts[0].RunAsync(request, new Session(), TimeSpan.FromSeconds(1), recorder));
            model.Report(model.VirtualHosts[0], request, TimeSpan.FromMilliseconds(1), outcome, listeners, recorder);
        }
    }

    [Fact]
    public void What_a_listener_keeps_is_not_written_over_by_the_next_request()
    {
        var listeners = new DecisionListeners();
        using var queue = new WaitingDecisions(DecisionDepth.Steps, static _ => true);
        using var listening = listeners.Listen(queue);
        var document = HoconReader.Read(
            """
            policyd { listen = ["127.0.0.1:12345"], virtual_hosts = [
              { name = x, port = 12345, plugins = [ { name = one, module = Action, action = "reject no" } ] }
              { name = y, port = 12346, plugins = [ { name = two, module = Action, action = "dunno" } ] } ] }
            """);
        var model = ModelBuilder.Build(document, new ModelEnvironment())!;
        foreach (var host in model.VirtualHosts)
        {
            var request = PolicyRequestBuilder.AccessPolicy().Add("instance", "1").ToRequest();
            var recorder = listeners.NewRecorder();
            var outcome = Ended(host.RunAsync(request, new Session(), TimeSpan.FromSeconds(1), recorder));
            model.Report(host, request, TimeSpan.FromMilliseconds(1), outcome, listeners, recorder);
        }

        Assert.Equal(
            ["one reject no", "two dunno"],
            queue.TakeLast().Records.Select(static record => $"{Assert.Single(record.Steps).Plugin} {record.Action}"));
    }

    [Fact]
    public async Task The_scores_of_a_mail_are_taken_for_the_log_alone()
    {
        var request = PolicyRequestBuilder.AccessPolicy().Add("instance", "1").ToRequest();
        var session = new Session { ["score"] = "2.5", ["score_detail"] = "a=2.5", ["ham"] = "-1", ["ham_detail"] = "b=-1" };
        Assert.Null((await Run(new Listening(LogLevel.Warning, []))).Scores);
        Assert.Equal(
            [new MailScore("score", "2.5", "a=2.5"), new MailScore("ham", "-1", "b=-1")],
            (await Run(new Listening(LogLevel.Information, []))).Scores!);

        async Task<ChainOutcome> Run(ILogger logger)
        {
            var host = new VirtualHost(
                "test", new PluginChain([]), new ChainEnvironment(TimeProvider.System, logger, ActionGrammar.Default));
            return await host.RunAsync(request, session, TimeSpan.FromSeconds(1));
        }
    }

    private static ChainOutcome Ended(ValueTask<ChainOutcome> running) =>
        running.IsCompletedSuccessfully ? running.Result : throw new InvalidOperationException("the chain waits for something");

    /// <summary>Looks at each, and keeps none.</summary>
    private sealed class KeepsRefusals : IDecisionListener
    {
        public DecisionDepth Depth => DecisionDepth.Steps;

        public IReadOnlyList<string>? Last { get; private set; }

        public void Decided(RequestRecord record)
        {
            // The first of them, so that what is measured later makes nothing here.
            Last ??= [.. record.Steps.Select(static step => step.Plugin)];
        }
    }

    private sealed class Listening(LogLevel level, List<object> records) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= level;

        public void Log<TState>(
            LogLevel logLevel,
            EventId eventId,
            TState state,
            Exception? exception,
            Func<TState, Exception?, string> formatter) => records.Add(state!);
    }

    private sealed class One(ILogger logger) : ILoggerFactory
    {
        public ILogger CreateLogger(string categoryName) => logger;

        public void AddProvider(ILoggerProvider provider)
        {
        }

        public void Dispose()
        {
        }
    }

    private static (long Bytes, double WorkItems) Least((long Bytes, double WorkItems) one, (long Bytes, double WorkItems) other) =>
        (Math.Min(one.Bytes, other.Bytes), Math.Min(one.WorkItems, other.WorkItems));

    // Code that is not optimized yet allocates more, and a busy machine takes its time to optimize it: windows until the figure is reached.
    private static (long Bytes, double WorkItems) LeastCost(Socket socket)
    {
        var waited = Stopwatch.StartNew();
        var least = Cost(socket, 0);
        for (var window = 1; window < Windows || (least.Bytes > MostGarbage && waited.Elapsed < Eventually.Timeout); window++)
        {
            least = Least(least, Cost(socket, window));
        }

        return least;
    }

    // The figures are those of the process. Nothing else runs beside this class, but what other tests have left may still end: hence the
    // least of some windows. The client allocates nothing and needs no pool.
    private static (long Bytes, double WorkItems) Cost(Socket socket, int window)
    {
        var request = PolicyRequestBuilder.AccessPolicy().Add("instance", $"{window:D4}.000000").Add("sender", "a@example.org")
            .Add("client_address", "192.0.2.1").Add("helo_name", "mail.example.org").ToBytes();
        var number = request.AsSpan().IndexOf(".000000"u8) + 1;
        var answer = new byte[256];
        var (bytes, items) = (0L, 0L);
        for (var i = -Warm; i < Requests; i++)
        {
            if (i == 0)
            {
                (bytes, items) = (GC.GetTotalAllocatedBytes(precise: true), ThreadPool.CompletedWorkItemCount);
            }

            (i + Warm).TryFormat(request.AsSpan(number, 6), out _, "D6", CultureInfo.InvariantCulture);
            socket.Send(request);
            for (var read = 0; !answer.AsSpan(0, read).EndsWith("\n\n"u8);)
            {
                var count = socket.Receive(answer.AsSpan(read));
                Assert.True(count > 0, $"the connection was closed at request {i}, after {read} bytes of an answer");
                read += count;
            }
        }

        bytes = GC.GetTotalAllocatedBytes(precise: true) - bytes;
        items = ThreadPool.CompletedWorkItemCount - items;
        return (bytes / Requests, items / (double)Requests);
    }

    private static long Allocated(Action action, int rounds)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < rounds; i++)
        {
            action();
        }

        return (GC.GetAllocatedBytesForCurrentThread() - before) / rounds;
    }
}
