using System.Globalization;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Differential;

/// <summary>
/// SMTPVerify gives mtpolicyd's answers when both ask the same mail server and the same DNS. The library that mtpolicyd's module needs,
/// Net::SMTP::Verify, is in no package of Debian: the original is given one of our own (<see cref="Library"/>), written from that library's
/// documentation. So what is compared is what the module makes of a server's answer, and not how it is asked.
/// </summary>
[ServerTest]
[SoakTest("hundreds of random mails to two servers; POLICYD_DIFFERENTIAL_REQUESTS sets how many")]
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

    private static readonly Dictionary<string, string> s_replies = new()
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

    private static readonly string[] s_recipients = ["me@here.test", "big@here.test", "slow@here.test"];
    private static readonly string[] s_sizes = ["", "0", "5", "9999", "20000", "abc"];

    public static TheoryData<string> Chains => ["actions", "scores", "plain", "recipients", "secured"];

    [Theory]
    [MemberData(nameof(Chains))]
    public async Task Both_servers_answer_the_same(string chain)
    {
        await using var mail = MailServer(chain);
        await using var dns = new ScriptedDnsServer().Add(KeyName("key@y.test"), 61, 300, [1, 2, 3])
            .Add(KeyName("unknown@x.test"), 61, 300, [1, 2, 3]);
        var tlsa = string.Create(CultureInfo.InvariantCulture, $"_{mail.Port}._tcp.localhost");
        if (chain is "secured" or "plain")
        {
            dns.Add(tlsa, 52, 300, [3, 1, 1, 0xab]);
        }

        _ = chain == "secured" ? dns.Signed(tlsa) : dns;
        using var perl = new TemporaryFolder();
        perl.Write("Net/SMTP/Verify.pm", Library);
        var first = new FirstAnswers(chain == "recipients" ? static request => request.Recipient : static request => request.Sender);
        var answersOnce = chain is "actions" or "recipients";
        string[] senders = [.. s_replies.Keys];
        await DifferentialRun.HoldsAsync(
            new DifferentialSetup($"SMTPVerify {chain}", Plugins(chain, mail.Port))
            {
                Dns = dns,
                PerlLibraries = perl.Path,
                Mails = 120,
                Attributes = new Dictionary<string, string[]>
                {
                    ["client_address"] = ["192.0.2.7"],
                    ["sender"] = senders,
                    ["recipient"] = chain == "recipients" ? senders : s_recipients,
                    ["size"] = s_sizes,
                },
                PerRecipient = ["sender", "recipient", "size"],
                Seen = answersOnce ? first.See : null,
                Intended = answersOnce ? [new("SMTPVerify: an address that fails, further recipients of the mail", first.Explains)] : [],
                LeastAnswers = 5,
            },
            output);
    }

    private static ScriptedSmtpServer MailServer(string chain)
    {
        var server = new ScriptedSmtpServer()
            .On("MAIL FROM:<big@here.test> SIZE=20000", "552 5.3.4 too big")
                .On("MAIL FROM:<me@here.test> SIZE=20000", "552 5.3.4 too big")
                .On("MAIL FROM:<slow@here.test>", "452 4.3.1 no space");
        foreach (var (address, reply) in s_replies)
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
            {(options.StartsWith(Actions, StringComparison.Ordinal) ? "" : DifferentialPlugins.Tag)}
            """;
    }

    /// <summary>
    /// The original has an answer for an address at its first request of a mail only: the second recipient of a bad sender is let through.
    /// We answer as at the first request.
    /// </summary>
    private sealed class FirstAnswers(Func<PolicyRequest, string> address)
    {
        private readonly Dictionary<(string Mail, string Address), string> _answers = [];

        public void See(PolicyRequest request, string theirs, string ours)
        {
            if (!_answers.TryAdd(Key(request), theirs))
            {
                Assert.Equal("dunno", theirs);
                Assert.Equal(_answers[Key(request)], ours);
            }
        }

        public bool Explains(PolicyRequest request, string theirs, string ours) => theirs == "dunno" && ours == _answers[Key(request)];

        private (string Mail, string Address) Key(PolicyRequest request) => (request.Instance, address(request));
    }

    /// <summary>
    /// What mtpolicyd's module asks for, by the documentation of Net::SMTP::Verify and by the names that it was seen to call: a check over
    /// SMTP, and looks for records with Net::DNS.
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
