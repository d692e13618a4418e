using System.Globalization;
using System.Text;
using Policyd.Backends.Dns;
using Policyd.Plugins.Dns;
using Policyd.Protocol;
using Policyd.Tests.Actors;
using Policyd.Tests.Support;

namespace Policyd.Tests.Differential;

/// <summary>
/// Random mails of one to four recipients (POLICYD_SEED repeats a run, POLICYD_DIFFERENTIAL_REQUESTS makes it longer) go to mtpolicyd and
/// to our whole server under the same mtpolicyd.conf; the first answer that differs, and that no row of docs/differences.md explains, is a
/// failure.
/// </summary>
internal static class DifferentialRun
{
    public const string NoAnswer = "(closed without an answer)";

    private static readonly string[] s_sides = ["theirs", "ours", "third"];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static async Task HoldsAsync(DifferentialSetup setup, ITestOutputHelper output)
    {
        Needs.Root();
        using var folder = new TemporaryFolder();
        var sides = setup.Third is null ? s_sides[..2] : s_sides;
        foreach (var side in sides)
        {
            Directory.CreateDirectory(folder[side]);
            await (setup.Prepare?.Invoke(folder[side]) ?? Task.CompletedTask);
            GiveAway(folder[side]);
        }

        var theirPort = FreePort.Next();
        await using var theirs = await MtpolicydProcess.Start(
            folder, theirPort, (port, memcached) => Configuration(setup, folder, "theirs", port, memcached), Environment(setup));
        await using var resolver = setup.Dns is { } dns
            ? new DnsResolver(
                new DnsOptions { Servers = [dns.Address], Timeout = TimeSpan.FromSeconds(20) },
                TimeProvider.System,
                new LogCapture().CreateLogger("dns"))
            : null;
        var ourPort = FreePort.Next();
        var (server, log) = await StartOursAsync(
            setup, folder, Configuration(setup, folder, "ours", ourPort, theirs.MemcachedPort), ourPort, resolver);
        await using var ours = server;

        var thirdPort = FreePort.Next();
        await using var third = setup.Third is { } start
            ? await start(Configuration(setup, folder, "third", thirdPort, theirs.MemcachedPort), thirdPort)
            : null;
        await using var askThird = new Asker(thirdPort);

        await using var askTheirs = new Asker(theirPort, theirs);
        await using var askOurs = new Asker(ourPort);
        var run = new Run(setup, output);
        for (var mail = 0; mail < run.Mails; mail++)
        {
            await (setup.BeforeMail?.Invoke(mail, theirs.MemcachedPort) ?? Task.CompletedTask);
            foreach (var request in run.NextMail(mail))
            {
                var answer = await askOurs.AskAsync(request);
                run.Compare(request, await askTheirs.AskAsync(request), answer, () => Logs(theirs.Lines, log()));
                if (third is not null)
                {
                    Assert.Equal(setup.Comparable(answer), setup.Comparable(await askThird.AskAsync(request)));
                }
            }
        }

        foreach (var side in sides)
        {
            await (setup.AtEnd?.Invoke(folder[side]) ?? Task.CompletedTask);
        }

        run.Finish();
    }

    private static async Task<(IAsyncDisposable Server, Func<IEnumerable<string>> Log)> StartOursAsync(
        DifferentialSetup setup, TemporaryFolder folder, string configuration, int port, DnsResolver? resolver)
    {
        if (setup.IsExecutable)
        {
            var process = await PolicydProcess.Serve(folder.Write("policyd.conf", configuration), port, "-l", "0");
            return (process, () => process.Lines);
        }

        var server = await ServerUnderTest.StartAsync(configuration, "policyd.conf", resolver, setup.Clock);
        return (server, () => server.Log.Lines.Select(line => line.Message));
    }

    private static string Logs(IEnumerable<string> theirs, IEnumerable<string> ours) =>
        $"its log ends with\n{string.Join('\n', theirs.TakeLast(5))}\nour log ends with\n{string.Join('\n', ours.TakeLast(10))}";

    private static Dictionary<string, string> Environment(DifferentialSetup setup)
    {
        var environment = setup.Dns is null ? [] : MtpolicydProcess.AskingOnly(setup.Dns);
        if (setup.PerlLibraries is { } folder)
        {
            environment["PERL5LIB"] = folder;
        }

        return environment;
    }

    private static string Configuration(DifferentialSetup setup, TemporaryFolder folder, string side, int port, int memcachedPort) =>
        setup.ForSide(side, setup.Whole?.Invoke(port, memcachedPort)
            ?? MtpolicydProcess.Configuration(port, memcachedPort, "differential", setup.Plugins, setup.Connections, setup.SessionCache))
            .Replace("@OWN@", folder[side], StringComparison.Ordinal).Replace("@SIDE@", side, StringComparison.Ordinal);

    // mtpolicyd works as nobody, and SQLite makes files beside its own.
    private static void GiveAway(string folder)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        foreach (var path in (string[])[folder, .. Directory.GetFiles(folder)])
        {
            File.SetUnixFileMode(path, (UnixFileMode)0b111_111_111);
        }
    }

    /// <summary>Asks over one connection, as Postfix does, and over a new one when the server has closed it.</summary>
    private sealed class Asker(int port, MtpolicydProcess? theirs = null) : IAsyncDisposable
    {
        private const string Failed = "error while processing request";
        private PolicyClient? _client;

        public async Task<string> AskAsync(PolicyRequestBuilder request)
        {
            for (var tries = 1; ; tries++)
            {
                var failures = Failures().Count;
                if (await AskOnceAsync(request) is var answer && (answer != NoAnswer || theirs is null))
                {
                    return answer;
                }

                // On a busy machine memcached is too slow for its client there (a quarter of a second): the chain has not run, and the
                // question is asked again.
                await Eventually.Holds("mtpolicyd to say why it closed", () => Failures().Count > failures);
                if (tries > 20 || !Failures()[^1].Contains("could not acquire lock", StringComparison.Ordinal))
                {
                    return NoAnswer;
                }
            }
        }

        private List<string> Failures() =>
            theirs is null ? [] : [.. theirs.Lines.Where(line => line.Contains(Failed, StringComparison.Ordinal))];

        private async Task<string> AskOnceAsync(PolicyRequestBuilder request)
        {
            _client ??= await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", port), Cancel);
            try
            {
                return await _client.AskAsync(request.ToBytes(), Cancel);
            }
            catch (PolicyClientException)
            {
                await DisposeAsync();
                return NoAnswer;
            }
        }

        public async ValueTask DisposeAsync()
        {
            if (_client is not null)
            {
                await _client.DisposeAsync();
                _client = null;
            }
        }
    }

    private sealed class Run(DifferentialSetup setup, ITestOutputHelper output)
    {
        private readonly Random _random = new(setup.Seed);
        private readonly HashSet<string> _answers = [];
        private readonly Dictionary<string, int> _intended = setup.Intended.ToDictionary(difference => difference.Row, _ => 0);
        private int _requests;

        public int Mails { get; } =
            int.TryParse(
                System.Environment.GetEnvironmentVariable("POLICYD_DIFFERENTIAL_REQUESTS"),
                CultureInfo.InvariantCulture,
                out var many) ? many / 2 : setup.Mails;

        public IEnumerable<PolicyRequestBuilder> NextMail(int mail)
        {
            var values = setup.Attributes.ToDictionary(pair => pair.Key, pair => Any(pair.Value));
            var seen = new HashSet<string>();
            for (var recipients = _random.Next(1, setup.MostRecipients + 1); recipients > 0; recipients--)
            {
                foreach (var name in setup.PerRecipient)
                {
                    values[name] = Any(setup.Attributes[name]);
                }

                if (!seen.Add(values["recipient"]) && !setup.RepeatsRecipients)
                {
                    continue;
                }

                var request = PolicyRequestBuilder.AccessPolicy()
                    .Add("protocol_state", "RCPT")
                    .Add("instance", string.Create(CultureInfo.InvariantCulture, $"d1f.{mail}"));
                foreach (var (name, value) in values)
                {
                    request.Add(name, value);
                }

                yield return request;
            }
        }

        public void Compare(PolicyRequestBuilder asked, string theirs, string ours, Func<string> logs)
        {
            var request = asked.ToRequest();
            var (expected, actual) = (setup.Comparable(theirs), setup.Comparable(ours));
            _answers.Add(expected);
            _requests++;
            setup.Seen?.Invoke(request, theirs, ours);
            if (expected == actual)
            {
                return;
            }

            var intended = setup.Intended.FirstOrDefault(difference => difference.Covers(request, expected, actual));
            Assert.True(
                intended is not null,
                $"{setup.Name}, seed {setup.Seed}, request {_requests}: mtpolicyd says \"{theirs}\", we say \"{ours}\" "
                    + $"to\n{Encoding.UTF8.GetString(asked.ToBytes())}{logs()}");
            _intended[intended.Row]++;
        }

        public void Finish()
        {
            var intended = string.Join(
                "; ", _intended.Select(pair => string.Create(CultureInfo.InvariantCulture, $"\"{pair.Key}\" {pair.Value} times")));
            Summary.Line(
                output,
                $"differential, {setup.Name}: seed {setup.Seed}, {_requests} requests of {Mails} mails, {_answers.Count} different "
                    + $"answers, no difference but those intended: {(intended.Length > 0 ? intended : "none came up")}");
            Assert.True(
                _answers.Count >= setup.LeastAnswers,
                $"seed {setup.Seed}: the chain gave hardly any different answers, it tests nothing:\n{string.Join('\n', _answers)}");
            var known = File.ReadAllText(FilesAbove.OfTheRepository("docs/differences.md"));
            foreach (var (row, times) in _intended)
            {
                Assert.Contains($"\n| {row} |", known, StringComparison.Ordinal);
                Assert.True(
                    times > 0, $"seed {setup.Seed}: \"{row}\" did not come up: its rule is not needed, or the requests do not reach it");
            }
        }

        private string Any(string[] values) => values[_random.Next(values.Length)];
    }
}
