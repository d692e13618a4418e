using System.Globalization;
using System.Text;
using Policyd.Tests.Support;

namespace Policyd.Tests.Postfix;

/// <summary>
/// A real Postfix with a configuration, a queue and ports of its own. Each entry of <c>smtpd</c> is one more smtpd service with its own
/// parameters; accepted mail goes to an SMTP sink. Needs root, since Postfix's master does.
/// </summary>
internal sealed class PostfixServer : IAsyncDisposable
{
    private const string InternalServices = """
        pickup unix n - n 60 1 pickup
        cleanup unix n - n - 0 cleanup
        qmgr unix n - n 300 1 qmgr
        rewrite unix - - n - - trivial-rewrite
        bounce unix - - n - 0 bounce
        defer unix - - n - 0 bounce
        trace unix - - n - 0 bounce
        flush unix n - n 1000? 0 flush
        proxymap unix - - n - - proxymap
        smtp unix - - n - - smtp
        error unix - - n - - error
        retry unix - - n - - error
        discard unix - - n - - discard
        anvil unix - - n - 1 anvil
        postlog unix-dgram n - n - 1 postlogd
        """;

    private readonly TemporaryFolder _folder;
    private readonly string _postfix;

    private PostfixServer(TemporaryFolder folder, string postfix)
    {
        _folder = folder;
        _postfix = postfix;
    }

    private string Etc => _folder["etc"];

    private string LogFile => _folder["queue/maillog"];

    /// <summary>What Postfix has logged so far.</summary>
    public string Log => File.Exists(LogFile) ? File.ReadAllText(LogFile) : string.Empty;

    public static async Task<PostfixServer> Start(int sinkPort, IReadOnlyDictionary<int, string[]> smtpd)
    {
        var postfix = Needs.Program("postfix");
        Needs.Root();
        var folder = new TemporaryFolder();
        var server = new PostfixServer(folder, postfix);
        Directory.CreateDirectory(folder["queue"]);
        Directory.CreateDirectory(folder["data"]);
        var (code, text) = await ProcessUnderTest.Run(Needs.Program("chown"), "postfix", folder["data"]);
        Assert.True(code == 0, text);
        folder.Write("etc/main.cf", MainCf(folder, sinkPort));
        folder.Write("etc/master.cf", MasterCf(smtpd));

        // "postfix start" makes the queue's folders by itself, in a script that leaves its daemon behind.
        (code, text) = await ProcessUnderTest.Run(postfix, "-c", server.Etc, "start");
        Assert.True(code == 0, $"postfix start ended with {code}: {text}\n{server.Log}");
        try
        {
            foreach (var port in smtpd.Keys)
            {
                await Eventually.Settles(
                    () => $"smtpd to listen on {port}; its log:\n{server.Log}", () => Task.FromResult(FreePort.Answers(port)));
            }
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }

        return server;
    }

    public async ValueTask DisposeAsync()
    {
        await ProcessUnderTest.Run(_postfix, "-c", Etc, "abort");
        await Eventually.Holds(
            "Postfix's master to be gone",
            async () => (await ProcessUnderTest.Run(_postfix, "-c", Etc, "status")).ExitCode != 0);
        _folder.Dispose();
    }

    private static string MainCf(TemporaryFolder folder, int sinkPort) => $"""
        compatibility_level = 3.6
        queue_directory = {folder["queue"]}
        data_directory = {folder["data"]}
        mail_owner = postfix
        setgid_group = postdrop
        inet_interfaces = 127.0.0.1
        inet_protocols = ipv4
        myhostname = mx.example.org
        mydestination =
        relay_domains = example.org
        local_recipient_maps =
        mynetworks = 192.0.2.0/24
        smtpd_peername_lookup = no
        smtp_host_lookup = native
        smtp_dns_support_level = disabled
        transport_maps =
        default_transport = smtp:[127.0.0.1]:{sinkPort}
        relay_transport = smtp:[127.0.0.1]:{sinkPort}
        smtpd_authorized_xclient_hosts = 127.0.0.0/8
        smtpd_client_connection_rate_limit = 0
        smtpd_relay_restrictions = reject_unauth_destination
        smtpd_policy_service_timeout = 5s
        maillog_file = {folder["queue/maillog"]}
        maillog_file_prefixes = /tmp

        """;

    private static string MasterCf(IReadOnlyDictionary<int, string[]> smtpd)
    {
        var text = new StringBuilder();
        foreach (var (port, parameters) in smtpd)
        {
            text.Append(CultureInfo.InvariantCulture, $"127.0.0.1:{port} inet n - n - 100 smtpd\n");
            foreach (var parameter in parameters)
            {
                text.Append(CultureInfo.InvariantCulture, $"  -o {{ {parameter} }}\n");
            }
        }

        return text.Append(InternalServices).Append('\n').ToString();
    }
}
