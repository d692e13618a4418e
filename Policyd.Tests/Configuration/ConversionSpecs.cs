using Policyd.Configuration;
using Policyd.Configuration.Hocon;
using Policyd.Configuration.Mtpolicyd;
using Policyd.Configuration.Tree;
using Policyd.Tests.Support;
using Xunit;

namespace Policyd.Tests.Configuration;

public sealed class ConversionSpecs
{
    private const string Conf = """
        # the daemon
        user=mtpolicyd

        # where
        port="127.0.0.1:12345"
        <VirtualHost 12345>
          name="reputation"
          #<Plugin honeypot>
          #    module = "Honeypot"
          #</Plugin>

          <Plugin rbl>
            module = "RBL"
            mode = "accept" # will stop here
            re_match = "^127\.0\.0\.[23]$"
            text = "a \"b\" \\"
            #score = 5
          </Plugin>
          <Plugin short>
            module = Action
            action = reject no
          </Plugin>
          # last
        </VirtualHost>
        """;

    [Fact]
    public void Converted_file_keeps_order_and_comments() =>
        Assert.Equal(""""
            policyd {
              # the daemon

              # where
              listen = ["127.0.0.1:12345"]
              session_cache { module = None }
              virtual_hosts = [
                {
                  port = 12345
                  name = reputation
                  plugins = [
                    #<Plugin honeypot>
                    #    module = "Honeypot"
                    #</Plugin>

                    {
                      name = rbl
                      module = RBL
                      mode = accept  # will stop here
                      re_match = """^127\.0\.0\.[23]$"""
                      text = """a "b" \"""
                      #score = 5
                    }
                    { name = short, module = Action, action = "reject no" }
                    # last
                  ]
                }
              ]
            }

            """", MtpolicydConverter.ToHocon(MtpolicydConfReader.Read(Conf)), ignoreLineEndingDifferences: true);

    [Fact]
    public void Converted_file_is_the_same_tree_and_converts_to_itself()
    {
        var document = MtpolicydConfReader.Read(Conf);
        var text = MtpolicydConverter.ToHocon(document);
        var again = HoconReader.Read(text);
        Assert.Equal(document.Json(), again.Json());
        Assert.Equal(text, HoconWriter.Write(again.Root));
    }

    [Fact]
    public void Installed_mtpolicyd_conf_converts_to_the_same_tree()
    {
        const string installed = "/etc/mtpolicyd/mtpolicyd.conf";
        if (!File.Exists(installed))
        {
            Needs.Missing<object>("mtpolicyd is not installed (apt-get install mtpolicyd)");
        }

        var document = ConfigurationFile.Read(installed);
        Assert.Equal(ConfigFormat.Mtpolicyd, document.Format);
        var text = MtpolicydConverter.ToHocon(document);
        Assert.Equal(document.Json(), HoconReader.Read(text).Json());
        Assert.All(File.ReadLines(installed).Where(line => line.TrimStart().StartsWith('#')), line => Assert.Contains(line.Trim(), text));
    }
}
