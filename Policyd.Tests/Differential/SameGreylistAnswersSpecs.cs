using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Policyd.Protocol;
using Policyd.Tests.Plugins.Counting;
using Policyd.Tests.Support;

namespace Policyd.Tests.Differential;

/// <summary>
/// Greylist gives mtpolicyd's answers. Instead of waiting five minutes the test makes mtpolicyd's tickets older in memcached, and sets our
/// clock. The seconds that are left are not compared.
/// </summary>
[ServerTest]
[SoakTest("hundreds of random mails to two servers; POLICYD_DIFFERENTIAL_REQUESTS sets how many")]
public sealed partial class SameGreylistAnswersSpecs(ITestOutputHelper output)
{
    private const string Database = """
        <Connection db>
          module = "Sql"
          dsn = "dbi:SQLite:dbname=@OWN@/grey.sqlite"
        </Connection>
        """;

    private readonly SetClock _clock = new() { Now = DateTimeOffset.UtcNow };

    private static readonly Dictionary<string, string[]> Attributes = new()
    {
        ["client_address"] = ["192.0.2.1", "192.0.2.2", "2001:db8::25"],
        ["sender"] = ["", "a@one.test", "b@one.test", "a@two.test"],
        ["recipient"] = ["b@example.org", "c@example.org"],
        ["helo_name"] = ["good", "bad"],
    };

    [Theory]
    [InlineData("passive", "Memcached", 1)]
    [InlineData("passive", "None", 4)]
    [InlineData("dunno", "Memcached", 1)]
    [InlineData("accept", "Memcached", 1)]
    public Task Without_the_auto_whitelist_both_servers_answer_the_same(string mode, string sessionCache, int recipients) =>
        DifferentialRun.HoldsAsync(
            new DifferentialSetup($"Greylist {mode}, sessions {sessionCache}, up to {recipients} recipients", $"""
                <Plugin early>
                  module = "Greylist"
                  score = -1
                  mode = "{mode}"
                  create_ticket = 0
                  use_autowl = 0
                  query_autowl = 0
                  {Tickets}
                </Plugin>
                <Plugin suspicious>
                  module = "Condition"
                  key = "helo_name"
                  match = "bad"
                  <Plugin late>
                    module = "Greylist"
                    score = -5
                    mode = "{mode}"
                    use_autowl = 0
                    query_autowl = 0
                    defer_message = "defer come back"
                    append_waittime = 0
                    {Tickets}
                  </Plugin>
                </Plugin>
                {DifferentialPlugins.Tag}
                """)
            {
                Connections = Database,
                SessionCache = sessionCache,
                Attributes = Attributes,
                Comparable = WithoutSeconds,
                Prepare = PrepareAsync,
                Clock = _clock,
                BeforeMail = (mail, memcached) => AgeAsync(mail, memcached, Attributes),
                MostRecipients = recipients,
                Mails = 400,
                Intended = mode == "accept"
                    ? [new("Greylist: `mode = accept`", (_, theirs, ours) => theirs == "accept" && ours == "dunno")]
                    : [],
            },
            output);

    [Fact]
    public Task Later_requests_of_a_mail_are_answered_there_as_the_first_and_here_by_the_ticket() => DifferentialRun.HoldsAsync(
        new DifferentialSetup("Greylist, later requests of a mail", $"""
            <Plugin grey>
              module = "Greylist"
              use_autowl = 0
              query_autowl = 0
              {Tickets}
            </Plugin>
            """)
        {
            Connections = Database,
            Attributes = new Dictionary<string, string[]>(Attributes)
            {
                ["sender"] = [.. Enumerable.Range(0, 500).Select(sender => $"s{sender}@example.com")]
            },
            PerRecipient = [],
            Mails = 60,
            LeastAnswers = 1,
            Comparable = WithoutSeconds,
            Prepare = PrepareAsync,
            Intended = [new(
                "Greylist: later requests of a mail",
                (_, theirs, ours) => theirs == "defer greylisting is active" && ours == "defer greylisting is active (Ns left)")],
        },
        output);

    // What PrepareAsync puts on the list.
    private static bool IsKnown(PolicyRequest request) =>
        request.Sender.EndsWith("@known.test", StringComparison.Ordinal) && request.ClientAddress is "192.0.2.1" or "2001:db8::25";

    [Theory]
    [InlineData("Memcached")]
    [InlineData("None")]
    public async Task With_it_they_do_until_it_lets_a_client_through(string sessionCache)
    {
        var passed = new Dictionary<string, HashSet<string>>();
        HashSet<string> MailsOf(PolicyRequest request)
        {
            var pair = $"{request.Sender[(request.Sender.LastIndexOf('@') + 1)..]} {request.ClientAddress}";
            return passed.TryGetValue(pair, out var mails) ? mails : passed[pair] = [];
        }

        var attributes = new Dictionary<string, string[]>(Attributes)
        {
            ["sender"] = ["", "a@one.test", "a@two.test", "a@known.test", "b@known.test", "a@seldom.test", "a@expired.test"]
        };
        await DifferentialRun.HoldsAsync(
            new DifferentialSetup($"Greylist with auto-whitelist, sessions {sessionCache}", $"""
                <Plugin grey>
                  module = "Greylist"
                  score = -5
                  {Tickets}
                </Plugin>
                {DifferentialPlugins.Tag}
                """)
            {
                Connections = Database,
                SessionCache = sessionCache,
                Attributes = attributes,
                Clock = _clock,
                Comparable = WithoutSeconds,
                Prepare = PrepareAsync,
                BeforeMail = (mail, memcached) => AgeAsync(mail, memcached, attributes),
                MostRecipients = 1,
                Intended = [new("Greylist: the auto-whitelist", (request, _, _) => MailsOf(request).Count >= 3 || IsKnown(request))],
                Seen = (request, _, ours) =>
                {
                    if (!ours.StartsWith("defer", StringComparison.Ordinal))
                    {
                        MailsOf(request).Add(request.Instance);
                    }
                },
            },
            output);
    }

    private const string Tickets = """
        <Ticket>
          module = "Memcached"
        </Ticket>
        """;

    private static Task PrepareAsync(string folder)
    {
        SqliteFile.Execute($"{folder}/grey.sqlite", """
            CREATE TABLE autowl (id INTEGER PRIMARY KEY AUTOINCREMENT, sender_domain VARCHAR(255) NOT NULL, client_ip VARCHAR(39) NOT NULL, count INT UNSIGNED NOT NULL, last_seen INTEGER NOT NULL);
            INSERT INTO autowl (sender_domain, client_ip, count, last_seen) VALUES
              ('known.test', '192.0.2.1', 5, unixepoch()), ('known.test', '2001:db8::25', 3, unixepoch()), ('seldom.test', '192.0.2.1', 1, unixepoch()), ('expired.test', '192.0.2.1', 5, 1000);
            """);
        return Task.CompletedTask;
    }

    private static string WithoutSeconds(string answer) => Seconds().Replace(answer, "(Ns left)");

    [GeneratedRegex(@"\([0-9]+s left\)")]
    private static partial Regex Seconds();

    /// <summary>
    /// Every ten mails all tickets become valid: theirs are the triplet's text, and the time from which on they are valid; ours see another
    /// time.
    /// </summary>
    private async Task AgeAsync(int mail, int memcachedPort, Dictionary<string, string[]> attributes)
    {
        if (mail % 10 != 9)
        {
            return;
        }

        _clock.Now += TimeSpan.FromSeconds(301);
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, memcachedPort, TestContext.Current.CancellationToken);
        using var reader = new StreamReader(client.GetStream(), Encoding.Latin1);
        var valid = (DateTimeOffset.UtcNow.ToUnixTimeSeconds() - 5).ToString(CultureInfo.InvariantCulture);
        var tickets =
            from sender in attributes["sender"]
            from address in attributes["client_address"]
            from recipient in attributes["recipient"]
            select $"{sender},{address},{recipient}";
        foreach (var ticket in tickets)
        {
            await client.GetStream().WriteAsync(
                Encoding.Latin1.GetBytes($"replace {ticket} 0 7000 {valid.Length}\r\n{valid}\r\n"), TestContext.Current.CancellationToken);
            Assert.True(await reader.ReadLineAsync(TestContext.Current.CancellationToken) is "STORED" or "NOT_STORED");
        }
    }
}
