using Policyd.Configuration;
using Policyd.Configuration.Hocon;
using Policyd.Configuration.Mtpolicyd;
using Policyd.Configuration.Tree;
using Policyd.Tests.Support;
using Xunit;

namespace Policyd.Tests.Configuration;

// The language of mtpolicyd.conf. Where a value is quoted or escaped, the expected one is what "mtpolicyd -d" of version 2.05 prints.
public sealed class MtpolicydConfSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static ConfigDocument Read(string text) => MtpolicydConfReader.Read(text, "test.conf");

    [Theory]
    [InlineData("value = a b   # trailing", "a b")]
    [InlineData("value a = b", "a = b")]
    [InlineData("value   \"a b\"", "a b")]
    [InlineData("value = \" a b \"", " a b ")]
    [InlineData("value = a=b", "a=b")]
    [InlineData("value : d", ": d")]
    [InlineData("value = a#b", "a")]
    [InlineData("value = \"a\\#b\"", "a#b")]
    [InlineData("value = \"a # b\" # c", "\"a")]
    [InlineData("value = 'single'", "'single'")]
    [InlineData("value = \"q\" x \"z\"", "q\" x \"z")]
    [InlineData("value = \"unclosed", "\"unclosed")]
    [InlineData("value = $HOME", "$HOME")]
    [InlineData("value = a /* c */", "a")]
    [InlineData("/* value = no\n*/ value = z", "z")]
    [InlineData("value =", "")]
    [InlineData("value = line \\\n   two", "line two")]
    [InlineData("value = <<EOT\na\n  b\nEOT", "a\n  b")]
    [InlineData("value = a\\\\b\\.c\\$d\\\"e\\<f", "a\\b\\.c$d\"e\\<f")]
    [InlineData("value = \"^127\\.0\\.0\\.[23]$\"", "^127\\.0\\.0\\.[23]$")]
    public void Value_is_what_the_original_sees(string line, string expected)
    {
        var document = Read($"<VirtualHost 1>\n{line}\n</VirtualHost>");
        Assert.False(document.Diagnostics.HasErrors, string.Join('\n', document.Messages()));
        var host = ((ConfigArray)document.Root.Find("policyd", "virtual_hosts")!).Items[0];
        Assert.Equal(expected, ((ConfigScalar)((ConfigObject)host)["value"]!).Text);
    }

    [Theory]
    [InlineData("", "None")]
    [InlineData("<SessionCache>\nmodule = \"Memcached\"\n</SessionCache>\n", "Memcached")]
    public void Without_a_session_cache_no_session_is_kept(string section, string expected)
    {
        var document = Read($"{section}<VirtualHost 1>\n</VirtualHost>");
        Assert.Empty(document.Diagnostics.All);
        Assert.Equal(expected, ((ConfigScalar)document.Root.Find("policyd", "session_cache", "module")!).Text);
    }

    [Theory]
    [InlineData("enabled = 0", "enabled: in mtpolicyd only \"off\" turns it off, so it was on with \"0\"; here it is off")]
    [InlineData("enabled = Off", "enabled: in mtpolicyd only \"off\" turns it off, so it was on with \"Off\"; here it is off")]
    [InlineData("check_helo = no", "check_helo: in mtpolicyd only \"off\" turns it off, so it was on with \"no\"; here it is off")]
    [InlineData(
        "mode = Reject", "mode: mtpolicyd knows this word in small letters only, so \"Reject\" had no effect; here it is reject")]
    [InlineData(
        "sender_mode = REJECT",
        "sender_mode: mtpolicyd knows this word in small letters only, so \"REJECT\" had no effect; here it is reject")]
    [InlineData("enabled = off", null)]
    [InlineData("enabled = 1", null)]
    [InlineData("invert = 0", null)]
    [InlineData("mode = reject", null)]
    [InlineData("mode = Passive", null)]
    [InlineData("reject_message = Reject", null)]
    public void Word_that_the_original_does_not_obey_is_a_warning(string line, string? expected)
    {
        var document = Read($"<VirtualHost 1>\n<Plugin outer>\n<Plugin p>\n  {line}\n</Plugin>\n</Plugin>\n</VirtualHost>");
        var column = line.IndexOf('=', StringComparison.Ordinal) + 5;
        Assert.Equal(
            expected is null ? [] : [$"test.conf:4:{column}: warning: {expected}"], document.Diagnostics.All.Select(one => one.ToString()));
    }

    [Fact]
    public void Sections_become_the_tree_that_hocon_gives()
    {
        var document = Read("""
            log_level=2
            host = 127.0.0.1
            port = "12345, 127.0.0.1:12346,[::1]:7, /run/p|unix"
            <Connection db>
              module = "Sql"
            </Connection>
            <SessionCache>
              module = None
            </SessionCache>
            <VirtualHost 12345>
              name = "a"
              <Plugin one>
                module = Condition
                regex = "a,b"
                regex = "c"
                <AWL>
                  module = Sql
                </AWL>
                <Plugin "in ner">
                  module = Action
                </Plugin>
              </Plugin>
              <Plugin one/>
            </VirtualHost>
            """);
        Assert.Equal(Trees.Normal("""
            { "policyd": { "log_level": 2, "listen": ["127.0.0.1:12345", "127.0.0.1:12346", "[::1]:7", "unix:/run/p"],
              "connections": { "db": { "module": "Sql" } }, "session_cache": { "module": "None" },
              "virtual_hosts": [ { "port": 12345, "name": "a", "plugins": [
                { "name": "one", "module": "Condition", "regex": ["a,b", "c"], "awl": { "module": "Sql" },
                  "plugins": [ { "name": "in ner", "module": "Action" } ] },
                { "name": "one" } ] } ] } }
            """), document.Json());
    }

    [Fact]
    public void Section_may_be_closed_with_its_argument_too() =>
        Assert.Empty(Read("<VirtualHost 1>\n<Plugin a>\nmodule = Action\n</Plugin a>\n</VirtualHost 1>").Errors());

    [Theory]
    [InlineData("a = 1\na = 2", "2:1: a is given twice: first at 1:1")]
    [InlineData("<VirtualHost 1>\nx = 1\nx = 2\n</VirtualHost>", "3:1: x is given twice in <VirtualHost 1>: first at 2:1")]
    [InlineData("<virtualhost 1>\n</virtualhost>", "1:1: unknown section <virtualhost 1>; did you mean \"VirtualHost\"?")]
    [InlineData(
        "<VirtualHost 1>\n<Plugin a>\n</VirtualHost>", "3:1: expected </Plugin> to close the section opened at 2:1, found </VirtualHost>")]
    [InlineData("<VirtualHost 1>\n", "1:1: <VirtualHost 1> is never closed")]
    [InlineData("</Plugin>", "1:1: </Plugin> has no matching <Plugin>")]
    [InlineData("<VirtualHost", "1:1: expected '>'")]
    [InlineData("<Connection a>\n</Connection>\n<Connection a>\n</Connection>", "3:1: <Connection a> is already defined at 1:1")]
    [InlineData("x = <<EOT\nabc", "1:5: the text that begins here is never closed")]
    [InlineData("<<include nope.conf>>", "1:1: the included file \"nope.conf\" does not exist")]
    public void Error_is_reported_at_its_place(string text, string expected) =>
        Assert.Contains(Read(text).Errors(), error => error.StartsWith("test.conf:" + expected, StringComparison.Ordinal));

    [Fact]
    public void Options_of_the_process_pool_are_a_notice()
    {
        var document = Read("max_servers = 50\nuser=x\n<VirtualHost 1>\n</VirtualHost>");
        Assert.Equal(
            ["test.conf:1:1: notice: max_servers", "test.conf:2:1: notice: user has no"], document.Messages().Select(m => m[..34]));
        Assert.Null(document.Root.Find("policyd", "max_servers"));
    }

    [Fact]
    public void Includes_take_files_patterns_and_folders_in_order()
    {
        _folder.Write("d/2.conf", "b = 2");
        _folder.Write("d/1.conf", "a = 1");
        _folder.Write("d/.hidden", "h = 1");
        _folder.Write("one.frag", "c = 3");
        var main = _folder.Write(
            "main.conf", "<VirtualHost 1>\n<<include d>>\ninclude one.frag\n<<include *.none>>\n</VirtualHost>\n<<include main.conf>>");
        var document = MtpolicydConfReader.ReadFile(main);
        Assert.Equal([main + ":6:1: include cycle: main.conf -> main.conf"], document.Errors());
        Assert.Equal(
            """{"policyd":{"session_cache":{"module":"None"},"virtual_hosts":[{"port":1,"a":1,"b":2,"c":3}]}}""",
            HoconWriter.WriteJson(document.Root));
        Assert.EndsWith("2.conf:1:1", document.Root.Find("policyd", "virtual_hosts") is ConfigArray { Items: [ConfigObject host] }
            && host.TryGetMember("b", out var b) ? b.KeyPosition.ToString() : "");
    }
}
