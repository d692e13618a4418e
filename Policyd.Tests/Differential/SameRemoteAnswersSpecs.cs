using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Policyd.Tests.Support;

namespace Policyd.Tests.Differential;

/// <summary>CtIpRep, Fail2Ban and LdapUserConfig give mtpolicyd's answers, and say the same to the servers that they talk to.</summary>
[ServerTest]
[SoakTest("hundreds of random mails to two servers; POLICYD_DIFFERENTIAL_REQUESTS sets how many")]
public sealed class SameRemoteAnswersSpecs(ITestOutputHelper output)
{
    private static readonly string s_user = DifferentialPlugins.LenientUser("recipient", "lenient@example.org");

    [Theory]
    [InlineData("", "Memcached")]
    [InlineData(
        "key = \"sesame\"\nuc_permfail_mode = \"user_mode\"\nreject_message = \"no %IP% (%REFID%)\"\ntempfail_mode = "
            + "\"passive\"\ntempfail_score = 2.5", "Memcached")]
    [InlineData(
        "permfail_mode = \"defer\"\npermfail_score = 5\ndefer_message = \"later %REFID%\"\ntempfail_mode = "
            + "\"reject\"\nuc_enabled = \"user_off\"", "None")]
    [InlineData("permfail_mode = \"passive\"\npermfail_score = 5\ntempfail_mode = \"passive\"\ntempfail_score = -1", "Memcached")]
    public async Task CtIpRep_asks_and_answers_the_same(string options, string sessionCache)
    {
        await Needs.Perl("LWP::UserAgent", "libwww-perl");
        await using var daemon = new ReputationDaemon();
        await DifferentialRun.HoldsAsync(
            new DifferentialSetup($"CtIpRep {options.Replace('\n', ' ')}, sessions {sessionCache}", $"""
                {s_user}
                <Plugin reputation>
                  module = "CtIpRep"
                  url = "http://127.0.0.1:{daemon.Port}/@SIDE@/iprep"
                  {options}
                </Plugin>
                {DifferentialPlugins.Tag}
                """)
            {
                SessionCache = sessionCache,
                Mails = 120,
                Attributes = new Dictionary<string, string[]>
                {
                    ["client_address"] = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "2001:db8::2"],
                    ["recipient"] = ["b@example.org", "lenient@example.org"],
                },
            },
            output);
        Assert.Equal(daemon.BodiesOf("theirs"), daemon.BodiesOf("ours"));
        Assert.NotEmpty(daemon.BodiesOf("ours"));
    }

    [Theory]
    [InlineData("Memcached")]
    [InlineData("None")]
    public async Task Fail2Ban_bans_the_same(string sessionCache)
    {
        await using var fail2Ban = await Fail2BanServer.StartNew("theirs", "ours");
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(fail2Ban.Socket, (UnixFileMode)0b110_110_110);
        }

        await DifferentialRun.HoldsAsync(
            new DifferentialSetup($"Fail2Ban, sessions {sessionCache}", $"""
                {s_user}
                <Plugin bad>
                  module = "Condition"
                  key = "helo_name"
                  match = "bad"
                  <Plugin ban>
                    module = "Fail2Ban"
                    socket = "{fail2Ban.Socket}"
                    jail = "@SIDE@"
                    uc_enabled = "user_off"
                  </Plugin>
                </Plugin>
                <Plugin refuse>
                  module = "Condition"
                  key = "helo_name"
                  match = "worse"
                  action = "reject worse than bad"
                </Plugin>
                {DifferentialPlugins.Tag}
                """)
            {
                SessionCache = sessionCache,
                Mails = 100,
                LeastAnswers = 2,
                Attributes = new Dictionary<string, string[]>
                {
                    ["client_address"] = [
                        .. Enumerable.Range(1, 60).Select(host => $"192.0.2.{host}"),
                        .. Enumerable.Range(1, 20).Select(host => $"2001:db8::{host}")
                    ],
                    ["helo_name"] = ["good", "bad", "worse"],
                    ["recipient"] = ["b@example.org", "lenient@example.org"],
                },
            },
            output);
        var ours = await fail2Ban.BannedAsync("ours");
        Assert.Equal(await fail2Ban.BannedAsync("theirs"), ours);
        Assert.NotEmpty(ours);
    }

    [Theory]
    [InlineData("", "Memcached")]
    [InlineData("", "None")]
    [InlineData($"binddn = \"{SlapdServer.Reader}\"\npassword = \"{SlapdServer.Password}\"", "Memcached")]
    public async Task LdapUserConfig_answers_the_same(string bind, string sessionCache)
    {
        await Needs.Perl("Net::LDAP", "libnet-ldap-perl");
        await using var slapd = await SlapdServer.StartNew(withTls: false);
        await DifferentialRun.HoldsAsync(
            new DifferentialSetup($"LDAP {(bind.Length > 0 ? "bound" : "anonymous")}, sessions {sessionCache}", $"""
                <Plugin settings>
                  module = "LdapUserConfig"
                  basedn = "dc=example,dc=org"
                  filter = "(|(uid=%s)(cn=%s))"
                  config_fields = "employeeNumber,mail,telephoneNumber"
                </Plugin>
                <Plugin known>
                  module = "Condition"
                  key = "session:mail"
                  re_match = "^alice@"
                  score = 3
                </Plugin>
                <Plugin settings-too>
                  module = "LdapUserConfig"
                  basedn = "dc=example,dc=org"
                  filter_field = "sender"
                  filter = "(&(objectClass=inetOrgPerson)(mail=%s))"
                  config_fields = "sn, cn"
                </Plugin>
                <Plugin twin>
                  module = "Condition"
                  key = "session:sn"
                  match = "Twin"
                  score = 4
                </Plugin>
                <Plugin tag>
                  module = "AddScoreHeader"
                  spam_score = 4
                  uc_spam_score = "employeeNumber"
                </Plugin>
                """)
            {
                SessionCache = sessionCache,
                Mails = 150,
                Connections = $"""
                    <Connection ldap>
                      module = "Ldap"
                      host = "127.0.0.1"
                      port = "{slapd.Port}"
                      starttls = 0
                      {bind}
                    </Connection>
                    """,
                Attributes = new Dictionary<string, string[]>
                {
                    ["sasl_username"] = ["alice", "bob", "carol", "nobody", "*", "alice)(uid=*", "Bob (the *)", "", "ALICE"],
                    ["sender"] = ["alice@example.org", "bob@example.org", "x@example.org", ""],
                    ["recipient"] = ["b@example.org"],
                },
                PerRecipient = ["sender"],
            },
            output);
    }

    /// <summary>A ctipd whose opinion follows from the last digit of the address. The path tells who asks.</summary>
    private sealed class ReputationDaemon : IAsyncDisposable
    {
        private readonly ConcurrentQueue<(string Path, string Body)> _asked = new();
        private readonly AcceptLoop _clients;

        public ReputationDaemon() => _clients = new AcceptLoop(ServeAsync);

        public int Port => _clients.Port;

        public IReadOnlyList<string> BodiesOf(string side) =>
            [.. _asked.Where(asked => asked.Path == $"/{side}/iprep").Select(asked => asked.Body)];

        public ValueTask DisposeAsync() => _clients.DisposeAsync();

        private async Task ServeAsync(Socket socket, CancellationToken stop)
        {
            using var reader = new StreamReader(new NetworkStream(socket, ownsSocket: true), Encoding.Latin1);
            try
            {
                while (await reader.ReadLineAsync(stop) is { } first)
                {
                    var length = 0;
                    while (await reader.ReadLineAsync(stop) is { Length: > 0 } header)
                    {
                        if (header.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase))
                        {
                            length = int.Parse(header["Content-Length:".Length..], CultureInfo.InvariantCulture);
                        }
                    }

                    var body = new char[length];
                    await reader.ReadBlockAsync(body, stop);
                    _asked.Enqueue((first.Split(' ')[1], new string(body)));
                    var address = new string(body).Split("x-ctch-ip: ")[1].Trim();
                    var opinion = address[^1] switch { '1' => "permfail", '2' => "tempfail", _ => "accept" };
                    var reply = $"x-ctch-pver:1.0\r\n\r\nx-ctch-dm-action:{opinion}\r\nx-ctch-refid:str=0001.{address}\r\n";
                    await socket.SendAsync(
                        Encoding.Latin1.GetBytes($"HTTP/1.1 200 OK\r\nContent-Length: {reply.Length}\r\n\r\n{reply}"), stop);
                }
            }
            catch (Exception gone) when (gone is IOException or SocketException or OperationCanceledException)
            {
                // The client has its answer, or the test is over.
            }
        }
    }
}
