using System.Globalization;
using System.Text;

namespace Policyd.Bench.Servers;

/// <summary>
/// The two files of a Postfix with a queue and ports of its own, without a name from DNS. Whatever it accepts goes to one transport.
/// </summary>
/// <param name="Root">An absolute path; the queue, the data and the log lie below it, and nothing of the system's Postfix is used.</param>
/// <param name="Transport">Where accepted mail goes, as transport(5) writes it.</param>
/// <param name="MoreMain">Further lines of main.cf.</param>
public sealed record PostfixConfiguration(string Root, string Transport, string MoreMain = "")
{
    /// <summary>The most SMTP sessions of a port.</summary>
    public const int Processes = 200;

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

    public string Etc => Path.Combine(Root, "etc");

    public string Queue => Path.Combine(Root, "queue");

    /// <summary>It is Postfix's own account's.</summary>
    public string Data => Path.Combine(Root, "data");

    public string LogFile => Path.Combine(Queue, "maillog");

    public string Main => $"""
        compatibility_level = 3.6
        queue_directory = {Queue}
        data_directory = {Data}
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
        default_transport = {Transport}
        relay_transport = {Transport}
        smtpd_authorized_xclient_hosts = 127.0.0.0/8
        smtpd_client_connection_rate_limit = 0
        smtpd_relay_restrictions = reject_unauth_destination
        smtpd_policy_service_timeout = 5s
        maillog_file = {LogFile}
        maillog_file_prefixes = {Root}
        {MoreMain}

        """;

    /// <summary>master.cf with one smtpd service for each port, each with its own parameters.</summary>
    public static string Master(IReadOnlyDictionary<int, string[]> smtpd)
    {
        ArgumentNullException.ThrowIfNull(smtpd);
        var text = new StringBuilder();
        foreach (var (port, parameters) in smtpd)
        {
            text.Append(CultureInfo.InvariantCulture, $"127.0.0.1:{port} inet n - n - {Processes} smtpd\n");
            foreach (var parameter in parameters)
            {
                text.Append(CultureInfo.InvariantCulture, $"  -o {{ {parameter} }}\n");
            }
        }

        return text.Append(InternalServices).Append('\n').ToString();
    }

    /// <summary>Makes the folders and writes both files; <see cref="Data"/> still needs its owner.</summary>
    public void Write(IReadOnlyDictionary<int, string[]> smtpd)
    {
        foreach (var folder in (string[])[Etc, Queue, Data])
        {
            Directory.CreateDirectory(folder);
        }

        File.WriteAllText(Path.Combine(Etc, "main.cf"), Main);
        File.WriteAllText(Path.Combine(Etc, "master.cf"), Master(smtpd));
    }
}
