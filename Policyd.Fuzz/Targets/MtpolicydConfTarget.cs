using System.Text;
using Policyd.Configuration;
using Policyd.Configuration.Mtpolicyd;
using Policyd.Fuzz.Harness;

namespace Policyd.Fuzz.Targets;

/// <summary>The language of mtpolicyd.conf, and its conversion.</summary>
internal sealed class MtpolicydConfTarget() : FuzzTarget(
    "mtpolicyd-conf",
    "no exception; what is read is converted to HOCON and JSON and read again as the same tree",
    new AllocationBound(1024 * 1024, 4000))
{
    private const string Sample = """
        # a comment
        user = mtpolicyd
        group=mtpolicyd
        pid_file /var/run/mtpolicyd/mtpolicyd.pid
        port="127.0.0.1:12345,127.0.0.1:12346" # behind
        min_servers=4
        <Connection memcached>
          module = "Memcached"
          servers = "127.0.0.1:11211"
        </Connection>
        /* several
           lines */
        <VirtualHost 12345>
          name="reputation"
          <Plugin quota>
            module = "Quota"
            field = "client_address"
            threshold = 1000
            message = <<EOT
        first line
          second \# line
        EOT
            pattern = a\
              b
            fields = a
            fields = b
          </Plugin>
        </VirtualHost>

        """;

    public override IReadOnlyList<byte[]> Samples { get; } = Texts.Utf8(
        Sample,
        Sample.Replace("\n", "\r\n", StringComparison.Ordinal),
        "<VirtualHost 1>\n  <Plugin a>\n    module = \"b\" \n  </Plugin>\n  <Plugin a>\n    x='y'\n  "
            + "</plugin>\n</VirtualHost>\nkey\n=v\nuri $HOME\\$ \\\" \\\\\n");

    public override IReadOnlyList<byte[]> Words { get; } = Texts.Words(
        "<Plugin </Plugin> <VirtualHost </VirtualHost> <a> </a> <<E E /* */ # \\# = \" ' \\ \\\\ module name port null true 1 include "
            + "<<include",
        "\n", "\r\n", "\\\n", " ", "\t", "\0", "\u00a0", "\u2028", "include \"absent.conf\"\n", "<<include absent>>\n", "<Plugin/>",
            "\"\"\"");

    public override Outcome Execute(byte[] input, Meter meter)
    {
        var text = Encoding.UTF8.GetString(input);
        var document = meter.Run(() => MtpolicydConfReader.Read(text, Trees.File, Trees.Options));
        Trees.CheckMessages(document);
        return Trees.OutcomeOf(document, meter);
    }
}
