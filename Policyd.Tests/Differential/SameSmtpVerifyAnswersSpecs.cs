using System.Globalization;
using System.Text;
using Policyd.Configuration;
using Policyd.Plugins.Dns;
using Policyd.Plugins.Model;
using Policyd.Plugins.Sessions;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Differential;

/// <summary>
/// SMTPVerify gives mtpolicyd's answers when both ask the same mail server and the same DNS. The library that mtpolicyd's module needs, Net::SMTP::Verify,
/// is in no package of Debian: the original is given one of our own (<see cref="Library"/>), written from that library's documentation. So what is compared is what
/// the module makes of a server's answer, and not how it is asked.
/// </summary>
[ServerTest]
public sealed class SameSmtpVerifyAnswersSpecs(ITestOutputHelper output)
{
    private const string Actions = """
        temp_fail_action = "defer T %MSG%"
        perm_fail_action = "reject P %MSG% %MSG%"
        temp_fail_score = 1
        """;

    private const string Scores = """
        temp_fail_score = 1
        perm_fail_score = 2.5
        has_starttls_score = -10
        no_starttls_score = 20
        check_tlsa = "on"
        has_tlsa_score = 100
        no_tlsa_score = 200
        check_openpgp = "on"
        has_openpgp_score = 1000
        no_openpgp_score = 2000
        """;

    private const string Header = """
        <Plugin tag>
          module = "AddScoreHeader"
        </Plugin>
        """;

    private static readonly Dictionary<string, string> Replies = new()
    {
        ["ok@x.test"] = "250 2.1.5 Ok",
        ["forwarded@x.test"] = "251 2.1.5 elsewhere",
        ["untold@x.test"] = "252 2.1.5 cannot tell",
        ["unknown@x.test"] = "550 5.1.1 no such user",
        ["full@x.test"] = "552 5.2.2 mailbox full",
        ["later@x.test"] = "450 4.2.0 greylisted",
        ["busy@y.test"] = "451 4.3.0 busy, please wait",
        ["key@y.test"] = "250 2.1.5 Ok",
        ["refused@y.test"] = "554 5.7.1 refused",
    };

    private static readonly string[] Recipients = ["me@here.test", "big@here.test", "slow@here.test"];
    private static readonly string[] Sizes = ["", "0", "5", "9999", "20000", "abc"];

    public static TheoryData<string> Chains => ["actions", "scores", "plain", "recipients", "secured"];

    [Theory]
    [MemberData(nameof(Chains))]
    public async Task Both_servers_answer_the_same(string chain)
    {
        Needs.Root();
        await using var mail = MailServer(chain);
        await using var dns = new ScriptedDnsServer().Add(KeyName("key@y.test"), 61, 300, [1, 2, 3]).Add(KeyName("unknown@x.test"), 61, 300, [1, 2, 3]);
        var tlsa = string.Create(CultureInfo.InvariantCulture, $"_{mail.Port}._tcp.localhost");
        if (chain is "secured" or "plain")
        {
            dns.Add(tlsa, 52, 300, [3, 1, 1, 0xab]);
        }

        _ = chain == "secured" ? dns.Signed(tlsa) : dns;
        using var folder = new TemporaryFolder();
        folder.Write("perl/Net/SMTP/Verify.pm", Library);
        var port = FreePort.Next();
        string Body(int ourPort, int memcachedPort) => MtpolicydProcess.Configuration(ourPort, memcachedPort, "verify", Plugins(chain, mail.Port));
        await using var theirs = await MtpolicydProcess.Start(folder, port, Body, new Dictionary<string, string>
        {
            ["PERL5LIB"] = folder["perl"],
            ["RES_NAMESERVERS"] = "127.0.0.1",
            ["RES_OPTIONS"] = string.Create(CultureInfo.InvariantCulture, $"port:{dns.Port}"),
        });
        var document = ConfigurationFile.Read(folder.Write("policyd.conf", Body(port, 1)));
        await using var resolver = new DnsResolver(new DnsOptions { Servers = [dns.Address], Timeout = TimeSpan.FromSeconds(20) }, TimeProvider.System, new LogCapture().CreateLogger("dns"));
        var ours = PolicyServerModel.Build(document, new ModelEnvironment { Dns = resolver }) ?? throw new InvalidOperationException(string.Join('\n', document.Diagnostics.All));
        await CompareAsync(chain, port, ours.VirtualHosts[0].RunAsync);
    }

    private async Task CompareAsync(string chain, int port, Func<PolicyRequest, Session, TimeSpan, ValueTask<Policyd.Plugins.Chain.ChainOutcome>> ask)
    {
        var seed = int.TryParse(Environment.GetEnvironmentVariable("POLICYD_SEED"), CultureInfo.InvariantCulture, out var given) ? given : Environment.TickCount;
        var random = new Random(seed);
        string Any(IReadOnlyList<string> values) => values[random.Next(values.Count)];
        await using var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", port), TestContext.Current.CancellationToken);
        var answers = new HashSet<string>();
        const int Mails = 100;
        for (var mail = 0; mail < Mails; mail++)
        {
            var session = new Session();
            var before = new Dictionary<string, string>();
            for (var number = 0; number < 3; number++)
            {
                var sender = Any([.. Replies.Keys]);
                var request = PolicyRequestBuilder.AccessPolicy().Add("client_address", "192.0.2.7").Add("sender", sender)
                    .Add("recipient", chain == "recipients" ? Any([.. Replies.Keys]) : Any(Recipients)).Add("size", Any(Sizes)).Add("instance", $"v.{mail}");
                var expected = await client.AskAsync(request.ToBytes(), TestContext.Current.CancellationToken);
                var outcome = await ask(request.ToRequest(), session, TimeSpan.FromSeconds(60));
                session = outcome.Session;

                // The original has an answer for an address the first time only: the second recipient of a bad sender is let through.
                var address = chain == "recipients" ? request.ToRequest().Recipient : sender;
                if (chain is "actions" or "recipients" && !before.TryAdd(address, expected))
                {
                    Assert.Equal("dunno", expected);
                    expected = before[address];
                }

                answers.Add(expected);
                Assert.True(
                    expected == (outcome.Action ?? "dunno"),
                    $"chain {chain}, seed {seed}, mail {mail}: mtpolicyd says \"{expected}\", we say \"{outcome.Action}\" to\n{Encoding.UTF8.GetString(request.ToBytes())}");
            }
        }

        Summary.Line(output, $"differential, SMTPVerify {chain}: seed {seed}, {Mails * 3} requests, {answers.Count} different answers, no difference");
        Assert.True(answers.Count >= 5, "the chain gave hardly any different answers: it tests nothing");
    }

    private static ScriptedSmtpServer MailServer(string chain)
    {
        var server = new ScriptedSmtpServer()
            .On("MAIL FROM:<big@here.test> SIZE=20000", "552 5.3.4 too big").On("MAIL FROM:<me@here.test> SIZE=20000", "552 5.3.4 too big").On("MAIL FROM:<slow@here.test>", "452 4.3.1 no space");
        foreach (var (address, reply) in Replies)
        {
            server.On($"RCPT TO:<{address}>", reply);
        }

        return chain == "plain" ? server.On("EHLO", "250-mx.test\r\n250 SIZE 10000") : server;
    }

    private static string KeyName(string address) => Policyd.Plugins.Smtp.SmtpAddress.Parse(address)!.OpenPgpKeyName!;

    private static string Plugins(string chain, int port)
    {
        var options = chain switch
        {
            "actions" => Actions,
            "recipients" => Actions + "\nsender_field = \"sender\"\nrecipient_field = \"recipient\"\nsize_field = \"nothing\"",
            "plain" => Scores + "\nsender = \"fixed@here.test\"",
            _ => Scores,
        };
        return $"""
            <Plugin v>
              module = "SMTPVerify"
              host = "localhost"
              port = {port}
              {options}
            </Plugin>
            {(options.StartsWith(Actions, StringComparison.Ordinal) ? "" : Header)}
            """;
    }

    /// <summary>
    /// What mtpolicyd's module asks for, by the documentation of Net::SMTP::Verify and by the names that it was seen to call: a check over SMTP, and
    /// looks for records with Net::DNS.
    /// </summary>
    private const string Library = """
        package Net::SMTP::Verify;
        use strict;
        use warnings;
        use Digest::SHA qw(sha256_hex);
        use IO::Socket::INET;
        use Net::DNS;

        sub new { my ($class, %options) = @_; return bless {%options}, $class; }

        sub check {
            my ($self, $size, $sender, @recipients) = @_;
            return Net::SMTP::Verify::ResultSet->new(map { Net::SMTP::Verify::Result->new(ask($self, $size, $sender, $_)) } @recipients);
        }

        sub ask {
            my ($self, $size, $sender, $recipient) = @_;
            my %result = (address => $recipient, host => $self->{host});
            my ($local, $domain) = split /@/, $recipient;
            $result{has_tlsa} = has("_$self->{port}._tcp.$self->{host}", 'TLSA', 1) if $self->{tlsa};
            $result{has_openpgp} = has(substr(sha256_hex($local), 0, 56) . "._openpgpkey.$domain", 'OPENPGPKEY', 0) if $self->{openpgp};
            my $socket = IO::Socket::INET->new(PeerAddr => $self->{host}, PeerPort => $self->{port}, Timeout => 10) or return %result;
            my ($code, @lines) = say_to($socket);
            ($code, @lines) = say_to($socket, 'EHLO other.test');
            $result{has_starttls} = (grep { /^STARTTLS$/ } @lines) ? 1 : 0;
            my $parameter = $size && (grep { /^SIZE/ } @lines) ? " SIZE=$size" : '';
            ($code, @lines) = say_to($socket, "MAIL FROM:<$sender>$parameter");
            ($code, @lines) = say_to($socket, "RCPT TO:<$recipient>") if $code =~ /^2/;
            @result{qw(smtp_code smtp_message)} = ($code, join ' ', @lines);
            say_to($socket, 'QUIT');
            return %result;
        }

        sub say_to {
            my ($socket, $command) = @_;
            print $socket "$command\r\n" if defined $command;
            my ($code, @lines);
            while (my $line = <$socket>) {
                $line =~ /^(\d\d\d)([ -]?)(.*?)\r?\n/ or last;
                $code = $1;
                push @lines, $3;
                last if $2 ne '-';
            }
            return ($code, @lines);
        }

        sub has {
            my ($name, $type, $secured) = @_;
            my $reply = Net::DNS::Resolver->new(adflag => 1)->send($name, $type) or return;
            return ((grep { $_->type eq $type } $reply->answer) && (!$secured || $reply->header->ad)) ? 1 : 0;
        }

        package Net::SMTP::Verify::ResultSet;
        sub new { my ($class, @results) = @_; return bless {results => \@results}, $class; }
        sub count { return scalar @{$_[0]{results}}; }
        sub entries { return @{$_[0]{results}}; }

        package Net::SMTP::Verify::Result;
        sub new { my ($class, %result) = @_; return bless {%result}, $class; }
        for my $name (qw(address host has_starttls has_tlsa has_openpgp smtp_code smtp_message)) {
            no strict 'refs';
            *$name = sub { return $_[0]{$name}; };
        }
        sub is_success { return ($_[0]{smtp_code} // '') =~ /^2/; }
        sub is_error { return !$_[0]->is_success; }
        sub is_temp_error { return ($_[0]{smtp_code} // '') =~ /^4/; }
        sub is_perm_error { return ($_[0]{smtp_code} // '') =~ /^5/; }
        1;
        """;
}
