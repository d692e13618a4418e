using Policyd.Configuration;
using Policyd.Configuration.Mtpolicyd;
using Policyd.Configuration.Tree;
using Policyd.Engine.Building;
using Policyd.Engine.Loading;
using Policyd.Engine.Model;
using Policyd.Engine.Sessions;
using Policyd.Plugins.Api;
using Policyd.Plugins.Sessions;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Plugins;

public sealed class ModelSpecs
{
    [Theory]
    [InlineData("{ module = Acton, action = dunno }", "1:72", "did you mean Action?")]
    [InlineData("{ module = Xyzzy }", "1:72", "known modules: ")]
    [InlineData("{ module = Action }", "1:61", "action")]
    [InlineData("{ module = Action, action = rejct }", "1:89", "reject")]
    [InlineData("{ module = Action, action = dunno, acton = 1 }", "1:96", "unknown option")]
    [InlineData("{ module = Action, action = dunno, on_error = defr }", "1:107", "on_error")]
    [InlineData("{ module = Condition, key = \"x:y\" }", "1:89", "scope")]
    [InlineData("{ module = Condition, key = sender, re_match = \"(\" }", "1:108", "re_match")]
    public void Mistake_has_its_place(string plugin, string place, string part)
    {
        Assert.Null(PolicyUnderTest.Build(
            "policyd { virtual_hosts = [ { port = 12345, plugins = [ " + "    " + plugin + " ] } ] }", out var diagnostics));
        Assert.Contains(diagnostics.Errors, error => error.ToString().StartsWith($"test.hocon:{place}:", StringComparison.Ordinal)
            && error.Message.Contains(part, StringComparison.Ordinal));
    }

    [Fact]
    public void Path_of_a_socket_that_is_too_long_is_an_error_at_its_option()
    {
        var path = "/" + new string('x', 107);
        Assert.Null(PolicyUnderTest.Build(
            $$"""
            policyd { listen = ["127.0.0.1:12345", "unix:{{path}}"]
              admin { listen = "unix:{{path}}" }
              connections { m { module = Memcached, servers = "unix:{{path}}" } }
              virtual_hosts = [ { port = 12345, plugins = [ { name = p, module = Proxy, socket_path = "{{path}}" } ] } ] }
            """, out var diagnostics));
        var told = $"the path of the socket has 108 bytes, and the system allows 107: {path}";
        Assert.Equal(
            [$"listen: {told}", $"admin: listen: {told}", $"connection m: servers: {told}", $"plugin p: socket_path: {told}"],
            diagnostics.Errors.Select(error => error.Message));
    }

    [Theory]
    [InlineData("127.0.0.1:25", "http { listen = \"127.0.0.1:25\" }", "3:19", "http: listen: listen (2:11) has 127.0.0.1:25 too")]
    [InlineData("127.0.0.1:25", "http { listen = \"localhost:25\" }", "3:19", "http: listen: listen (2:11) has 127.0.0.1:25 too")]
    [InlineData("localhost:25", "http { listen = \"127.0.0.1:25\" }", "3:19", "127.0.0.1:25 and localhost:25 of listen (2:11)")]
    [InlineData("0.0.0.0:25", "http { listen = \"127.0.0.1:25\" }", "3:19", "127.0.0.1:25 and 0.0.0.0:25 of listen (2:11)")]
    [InlineData("192.0.2.1:25", "http { listen = \"[::]:25\", hosts = x, token = t, allow_remote = on }", "3:19", "[::]:25 and 192.0.2.1:")]
    [InlineData("*:25", "http { listen = \"127.0.0.1:25\" }", "3:19", "127.0.0.1:25 and *:25 of listen (2:11)")]
    [InlineData("[::]:25", "http { listen = \"[::1]:25\" }", "3:19", "[::1]:25 and [::]:25 of listen (2:11)")]
    [InlineData("mail.test:25", "admin { listen = \"mail.test:25\", allow_remote = on }", "3:20", "listen (2:11) has mail.test:25 too")]
    [InlineData("127.0.0.1:25", "admin { listen = \"127.0.0.1:25\" }", "3:20", "admin: listen: listen (2:11) has 127.0.0.1:25 too")]
    [InlineData("unix:/run/a/b", "admin { listen = \"unix:/run/./a//b\" }", "3:20", "unix:/run/./a//b and unix:/run/a/b of listen (2:11)")]
    [InlineData("unix:/run/policyd/admin.sock", "", "2:10", "admin: listen: listen (2:11) has unix:/run/policyd/admin.sock too")]
    [InlineData("127.0.0.1:25\", \"0.0.0.0:25", "", "2:27", "listen: 0.0.0.0:25 and 127.0.0.1:25 of listen (2:11)")]
    [InlineData("[::1]:25\", \"[0:0::1]:25", "", "2:23", "listen: [0:0::1]:25 and [::1]:25 of listen (2:11)")]
    public void Address_that_two_options_name_is_an_error_at_the_second_which_names_the_first(
        string listen, string other, string place, string part)
    {
        Assert.Null(PolicyUnderTest.Build(Listening(listen, other), out var diagnostics));
        var error = Assert.Single(diagnostics.Errors);
        Assert.StartsWith($"test.hocon:{place}: ", error.ToString(), StringComparison.Ordinal);
        Assert.Contains(part, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("127.0.0.1:25", "http { listen = \"127.0.0.1:26\" }")]
    [InlineData("127.0.0.1:25", "http { listen = \"127.0.0.2:25\" }")]
    [InlineData("127.0.0.1:25\", \"[::1]:25", "")]
    [InlineData("0.0.0.0:25\", \"[::]:25", "")]
    [InlineData("127.0.0.1:0\", \"0.0.0.0:0", "http { listen = \"127.0.0.1:0\" }")]
    [InlineData("unix:/run/a/b", "admin { listen = \"unix:/run/a/B\" }")]
    [InlineData("unix:/run/policyd/admin.sock", "admin { listen = off }")]
    [InlineData("mail.test:25\", \"127.0.0.1:25", "")]
    public void Addresses_that_can_be_bound_beside_each_other_are_accepted(string listen, string other)
    {
        Assert.NotNull(PolicyUnderTest.Build(Listening(listen, other), out var diagnostics));
        Assert.Equal([], diagnostics.Errors);
    }

    private static string Listening(string listen, string other) =>
        $"policyd {{ vhost_by_policy_context = on\nlisten = [\"{listen}\"]\n  {other}\n"
            + "virtual_hosts = [ { name = v, plugins = [ { name = a, module = Action, action = dunno } ] } ] }";

    [Fact]
    public void Places_of_actions_that_are_filled_and_percent_signs_that_are_no_place_are_no_warning()
    {
        Assert.NotNull(PolicyUnderTest.Build(
            """
            policyd { on_error = "defer 50% of 100%", virtual_hosts = [ { port = 12345, plugins = [
              { name = s, module = ScoreAction, threshold = 5, action = "reject 50% %IP% (%SCORE%%SCORE_DETAIL%) %ID% %ID%" }
              { name = b, module = DBL, domain = bl.test, reject_message = "%CHECK% %HOSTNAME%%INFO%, 100% sure", on_error = "defer %ID%" }
            ] } ] }
            """, out var diagnostics));
        Assert.DoesNotContain(diagnostics.All, static one => one.Message.Contains("as it is written", StringComparison.Ordinal));
    }

    [Fact]
    public void Place_in_the_servers_own_on_error_is_a_warning()
    {
        const string Text = """policyd { on_error = "defer %MSG%", virtual_hosts = [ { port = 12345 } ] }""";
        Assert.NotNull(PolicyUnderTest.Build(Text, out var diagnostics));
        Assert.Single(diagnostics.All, static one => one.ToString().StartsWith(
            "test.hocon:1:22: warning: on_error: %MSG% is no place that is filled here", StringComparison.Ordinal));
    }

    [Fact]
    public void Every_option_of_a_module_that_is_an_action_or_the_text_of_one_declares_its_places()
    {
        var silent = from module in ModuleRegistry.BuiltIn.Modules
                     from property in module.GetProperties()
                     where property.PropertyType == typeof(ActionTemplate) || property.PropertyType == typeof(UserOption<ActionTemplate>)
                         || (property.PropertyType == typeof(string) && property.Name.EndsWith("Message", StringComparison.Ordinal))
                     where !property.IsDefined(typeof(PlacesAttribute), inherit: false)
                     select $"{module.Name}.{property.Name}";
        Assert.Equal([], silent);
    }

    [Theory]
    [InlineData("module = RBL, domain = bl.test", "reject_message")]
    [InlineData("module = RBLAction, result_from = a, re_match = x", "reject_message")]
    [InlineData("module = DBL, domain = bl.test", "reject_message")]
    [InlineData("module = SPF", "reject_message")]
    [InlineData("module = GeoIPAction, result_from = a, country_codes = DE", "reject_message")]
    [InlineData("module = SaAwlAction, result_from = a", "reject_message")]
    [InlineData("module = Honeypot, recipients = bob", "reject_message")]
    [InlineData("module = CtIpRep", "reject_message")]
    [InlineData("module = CtIpRep", "defer_message")]
    public void Text_that_would_make_an_action_of_two_lines_is_told_at_its_option(string plugin, string option)
    {
        var text = $"policyd {{ virtual_hosts = [ {{ port = 12345, plugins = [ {{ {plugin}, {option} = \"a\\nb\" }} ] }} ] }}";
        Assert.Null(PolicyUnderTest.Build(text, out var diagnostics));
        var error = Assert.Single(diagnostics.Errors);
        Assert.Contains($": {option}: the action contains a control character or line end", error.Message, StringComparison.Ordinal);
        Assert.Equal(text.IndexOf("\"a\\nb", StringComparison.Ordinal) + 1, error.Position.Column);
    }

    [Theory]
    [InlineData("module = RegexList, key = sender", "regex", "\"\"", "an empty expression matches every value")]
    [InlineData("module = RegexList, key = sender", "regex", "[\"a\", \"\"]", "an empty expression matches every value")]
    [InlineData("module = RegexList, key = sender", "file", "\"/dev/null\"", "there is no expression in it")]
    [InlineData("module = Condition, key = sender", "re_match", "\"\"", "an empty expression matches every value")]
    [InlineData("module = RBLAction, result_from = a", "re_match", "\"\"", "an empty expression matches every result")]
    [InlineData("module = Honeypot", "recipients_re", "[\"a\", \"\"]", "an empty expression makes every address a trap")]
    [InlineData("module = LdapUserConfig, filter = \"(a=%s)\"", "config_fields", "\"a b, c\"", "no entry has an attribute \"a b\"")]
    [InlineData("module = LdapUserConfig, config_fields = a", "filter", "\"(a=b)\"", "it has no %s for sasl_username")]
    [InlineData("module = Action", "action", "\"reject %MSQ%\"", "%MSQ% is no place that is filled here, *written; *%ID%")]
    [InlineData("module = Condition, key = sender", "action", "\"reject %id%\"", "%id% is no place *; did you mean %ID%?")]
    [InlineData("module = ScoreAction, threshold = 5", "action", "\"reject %sure%IPP%\"", "%IPP% is no place *; did you mean %IP%?")]
    [InlineData("module = ScoreAction, threshold = 5", "action", "\"reject %IP% %IP%\"", "only the first %IP% is filled, ")]
    [InlineData("module = RBL, domain = bl.test", "reject_message", "\"%INFOS%\"", "%INFOS% is no place *; did you mean %INFO%?")]
    [InlineData("module = Greylist, use_autowl = off, query_autowl = off", "defer_message", "\"defer %IP%\"", "%IP% is no place ")]
    [InlineData("module = Action, action = dunno", "on_error", "\"defer %MSG%\"", "%MSG% is no place ")]
    public void What_a_start_accepts_though_it_can_hardly_be_meant_is_a_warning_at_its_option(
        string plugin, string option, string value, string part)
    {
        var text = $"policyd {{ connections {{ ldap {{ module = Ldap }} }}, virtual_hosts = [ {{ port = 12345, plugins = "
            + $"[ {{ name = p, {plugin}, {option} = {value} }} ] }} ] }}";
        Assert.NotNull(PolicyUnderTest.Build(text, out var diagnostics));
        var warning = Assert.Single(diagnostics.All, one => System.IO.Enumeration.FileSystemName.MatchesSimpleExpression(
            $"plugin p: {option}: {part}*", one.Message, ignoreCase: false));
        Assert.Equal(text.IndexOf($"{option} = {value}", StringComparison.Ordinal) + option.Length + 4, warning.Position.Column);
    }

    [Theory]
    [InlineData("module = Proxy", "host", "\"127.0.0.1:0\"", "no server can be asked at 127.0.0.1:0")]
    [InlineData("module = Proxy", "host", "\"*:25\"", "no server can be asked at *:25")]
    [InlineData("module = Proxy", "socket_path", "\"\"", "the path is empty")]
    [InlineData("module = Proxy", "socket_path", "\"/a\\u0000b\"", "the path of the socket contains a zero character")]
    [InlineData("module = RegexList, key = sender", "file", "\"\"", "the path is empty")]
    [InlineData("module = PostfixMap", "db_file", "\"\"", "the path is empty")]
    [InlineData("module = PostfixMap", "db_file", "\"/a\\u0000b\"", "the path contains a zero character")]
    [InlineData("module = SaAwlLookup", "db_file", "\"\"", "the path is empty")]
    [InlineData("module = GeoIPLookup", "database", "\"\"", "the path is empty")]
    [InlineData("module = SMTPVerify", "host", "\"a b\"", "\"a b\" is not a valid host name")]
    [InlineData("module = Fail2Ban", "jail", "\"a\\nb\"", "the name of the jail contains a control character")]
    public void What_can_never_work_is_told_at_its_option(string plugin, string option, string value, string part)
    {
        var text = $"policyd {{ virtual_hosts = [ {{ port = 12345, plugins = [ {{ name = p, {plugin}, {option} = {value} }} ] }} ] }}";
        Assert.Null(PolicyUnderTest.Build(text, out var diagnostics));
        var error = Assert.Single(diagnostics.Errors);
        Assert.StartsWith($"plugin p: {option}: {part}", error.Message, StringComparison.Ordinal);
        Assert.Equal(text.IndexOf($"{option} = {value}", StringComparison.Ordinal) + option.Length + 4, error.Position.Column);
    }

    [Theory]
    [InlineData("module = Ldap", "host", "\"a b\"", "host: \"a b\" is not a valid host name")]
    [InlineData("module = Ldap", "binddn", "\"cn=a\"", "binddn needs a password")]
    [InlineData("module = Memcached", "servers", "\"127.0.0.1:0\"", "servers: no server can be asked at 127.0.0.1:0")]
    [InlineData("module = Memcached", "timeout", "0", "timeout must be more than 0")]
    [InlineData("module = Redis", "server", "\"127.0.0.1:0\"", "server: not a valid address")]
    [InlineData("module = Redis", "sock", "\"\"", "sock: the path of the socket is empty")]
    public void Mistake_of_a_connection_is_told_at_its_option(string connection, string option, string value, string part)
    {
        var text = $"policyd {{ connections {{ c {{ {connection}, {option} = {value} }} }}, virtual_hosts = [ {{ port = 12345, plugins = "
            + "[ { module = Action, action = dunno } ] } ] }";
        Assert.Null(PolicyUnderTest.Build(text, out var diagnostics));
        var error = Assert.Single(diagnostics.Errors);
        Assert.StartsWith($"connection c: {part}", error.Message, StringComparison.Ordinal);
        Assert.Equal(text.IndexOf($"{option} = {value}", StringComparison.Ordinal) + option.Length + 4, error.Position.Column);
    }

    [Fact]
    public void A_UNIX_socket_that_no_virtual_host_serves_is_told_with_what_to_write()
    {
        const string text = """
            policyd { listen = ["127.0.0.1:12345", "unix:/run/p.sock"],
              virtual_hosts = [ { port = PORT, plugins = [ { module = Action, action = dunno } ] } ] }
            """;
        Assert.NotNull(PolicyUnderTest.Build(text.Replace("PORT", "12345", StringComparison.Ordinal), out var diagnostics));
        var warning = Assert.Single(diagnostics.All);
        const string wanted = "port = [12345, \"unix:/run/p.sock\"]";
        Assert.Equal(
            "no virtual host has unix:/run/p.sock in its port, so requests on it get no answer; port may be a list: " + wanted,
            warning.Message);
        Assert.NotNull(PolicyUnderTest.Build(text.Replace("port = PORT", wanted, StringComparison.Ordinal), out diagnostics));
        Assert.Empty(diagnostics.All);
    }

    [Fact]
    public void Request_timeout_of_0_is_as_long_as_postfix_waits()
    {
        var model = PolicyUnderTest.Build(
            """
            policyd {
              request_timeout = 0
              virtual_hosts = [ { name = x, port = 12345, plugins = [ { name = a, module = Action, action = dunno } ] } ]
            }
            """,
            out _)!;
        Assert.Equal(TimeSpan.FromSeconds(100), model.Options.RequestTimeout);
    }

    [Theory]
    [InlineData("plugin_start_timeout = 0", "must be more than 0 and at most 1 day")]
    [InlineData("request_timeout = 50d", "must be more than 0 and at most 1 day")]
    [InlineData("plugin_start_timeout = 50d", "must be more than 0 and at most 1 day")]
    [InlineData("plugin_stop_timeout = 50d", "must be at most 1 day")]
    [InlineData("cron { timeout = 50d }", "must be at most 30 days")]
    public void Time_that_no_timer_can_be_set_to_is_told(string option, string expected)
    {
        Assert.Null(PolicyUnderTest.Build($"policyd {{ {option} }}", out var diagnostics));
        Assert.Contains(diagnostics.Errors, error => error.Message.EndsWith(": " + expected, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("64")]
    [InlineData("0")]
    [InlineData("2GiB")]
    public void Bound_of_requests_that_no_mail_or_no_memory_fits_is_told(string size)
    {
        Assert.Null(PolicyUnderTest.Build($"policyd {{ max_request_bytes = {size} }}", out var diagnostics));
        Assert.Contains(
            diagnostics.Errors,
            error => error.Message.EndsWith("max_request_bytes: must be between 4KiB and 1GiB", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Option_of_a_user_may_be_a_duration()
    {
        await using var policy = new PolicyUnderTest(
            "{ name = s, module = SetField, key = w, value = 2m }, { name = d, module = Durations, wait = 5s, uc_wait = w }",
            typeof(DurationsPlugin));
        Assert.Equal("reject 00:02:00", await policy.AskAsync());
    }

    [Theory]
    [InlineData("slow", "reject slow")]
    [InlineData("Very_Slow", "reject very slow")]
    [InlineData(" veryslow ", "reject very slow")]
    [InlineData("1", "reject fast")]
    [InlineData("slow, fast", "reject fast")]
    [InlineData("slower", "reject fast")]
    public async Task Session_value_is_the_name_of_a_choice_and_nothing_else(string value, string expected)
    {
        var plugins = $"{{ name = s, module = SetField, key = p, value = \"{value}\" }}, {{ name = d, module = Paces, uc_pace = p }}";
        await using var policy = new PolicyUnderTest(plugins, typeof(PacesPlugin));
        Assert.Equal(expected, await policy.AskAsync());
    }

    [Theory]
    [InlineData("reject mine", "reject mine")]
    [InlineData("", "reject own")]
    [InlineData("reject a\\nb", "reject own")]
    [InlineData("550", "reject own")]
    public async Task Session_value_that_is_no_action_leaves_the_options_own(string value, string expected)
    {
        await using var policy = new PolicyUnderTest(
            $"{{ name = s, module = SetField, key = a, value = \"{value}\" }}, "
                + "{ name = c, module = Condition, key = client_address, re_match = \".\", action = reject own, uc_action = a }");
        Assert.Equal(expected, await policy.AskAsync());
    }

    [Theory]
    [InlineData("greylisting", "greylisting")]
    [InlineData("GREYLISTING, strict", "GREYLISTING, strict")]
    [InlineData("greylistin", "reject own")]
    [InlineData("greylisting, strick", "reject own")]
    public async Task Session_value_may_name_the_operators_restriction_classes_and_no_other_word(string value, string expected)
    {
        await using var policy = PolicyUnderTest.Of($$"""
            policyd { restriction_classes = [greylisting, strict], virtual_hosts = [ { port = 12345, plugins = [
              { name = s, module = SetField, key = a, value = "{{value}}" }
              { name = c, module = Condition, key = client_address, re_match = ".", action = reject own, uc_action = a }
            ] } ] }
            """);
        Assert.Equal(expected, await policy.AskAsync());
        Assert.Null(policy.Last.Failure);
        if (value != expected)
        {
            Assert.Single(policy.Log.Containing("is not a Postfix action; did you mean"));
        }
    }

    [Fact]
    public void Type_that_no_session_value_can_have_is_told_at_the_start()
    {
        Assert.Null(PolicyUnderTest.Build(
            "policyd { virtual_hosts = [ { port = 12345, plugins = [ { name = d, module = Durations, uc_list = l } ] } ] }",
            out var diagnostics,
            new ModelEnvironment { Modules = ModuleRegistry.BuiltIn.With([typeof(DurationsPlugin)]) }));
        Assert.Contains("uc_list: the option has the type", Assert.Single(diagnostics.Errors).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void All_mistakes_are_told_at_once()
    {
        Assert.Null(
            PolicyUnderTest.Build(
                "policyd { listn = 1, listen = \"nowhere:99999\", virtual_hosts = [ { port = 1, name = a, plugins = [ { module = X }, { "
                    + "module = Action } ] }, { port = 1, name = a } ] }", out var diagnostics));
        Assert.True(diagnostics.Errors.Count() >= 6, string.Join('\n', diagnostics.All));
    }

    [Fact]
    public void Virtual_host_is_chosen_by_port_endpoint_and_policy_context()
    {
        var model = PolicyUnderTest.Build("""
            policyd {
              listen = ["127.0.0.1:12345", "127.0.0.1:12346", "unix:/tmp/p.sock"], vhost_by_policy_context = on
              virtual_hosts = [ { name = a, port = 12345, plugins = [] }, { name = b, port = [12346, "unix:/tmp/p.sock"], plugins = [] }, { name = c, plugins = [] } ]
            }
            """, out var diagnostics)!;
        Assert.Empty(diagnostics.All);
        var plain = PolicyRequestBuilder.AccessPolicy().ToRequest();
        var named = PolicyRequestBuilder.AccessPolicy().Add("policy_context", "c").ToRequest();
        Assert.Equal(["a", "b", "b"], model.Listeners.Select(listener => model.Select(listener, plain)!.Name));
        Assert.Equal("c", model.Select(model.Listeners[0], named)!.Name);
    }

    [Fact]
    public void Listener_without_virtual_host_is_a_warning()
    {
        Assert.NotNull(PolicyUnderTest.Build(
            "policyd { listen = [\"127.0.0.1:1\"], virtual_hosts = [ { port = 2, plugins = [] } ] }", out var diagnostics));
        Assert.Equal(2, diagnostics.All.Count(one => one.Severity == Severity.Warning));
    }

    [Theory]
    [InlineData("on", "nothing listens on the port of virtual host \"b\"; only requests with policy_context=b reach it")]
    [InlineData("off", "nothing listens on the port of virtual host \"b\"")]
    public void Virtual_host_on_no_port_is_a_warning_that_tells_who_reaches_it(string byContext, string expected)
    {
        Assert.NotNull(PolicyUnderTest.Build(
            $$"""
            policyd { listen = ["127.0.0.1:1"], vhost_by_policy_context = {{byContext}}, virtual_hosts = [
              { name = a, port = 1, plugins = [] }, { name = b, port = 2, plugins = [] } ] }
            """,
            out var diagnostics));
        Assert.Equal(expected, Assert.Single(diagnostics.All).Message);
    }

    [Fact]
    public void Result_that_no_plugin_finds_is_a_warning_with_a_hint_wherever_the_other_plugin_stands()
    {
        const string Lists = """
            { name = zen, module = RBL, domain = zen.example, mode = passive }
            { name = outer, module = Condition, key = sender, match = x, plugins = [ { name = sbl, module = RBLAction, result_from = zne, re_match = "2" } ] }
            { name = pbl, module = RBLAction, result_from = zen, re_match = "3" }
            { name = near, module = GeoIPAction, result_from = zen, country_codes = DE }
            { name = far, module = GeoIPAction, result_from = countries, country_codes = FR }
            """;
        const string Other =
            "{ name = b, port = 2, plugins = [ { name = if, module = Condition, key = sender, match = x, plugins = [ { name = countries, "
                + "module = GeoIPLookup, database = \"/nonexistent\" } ] } ] }";
        Assert.NotNull(
            PolicyUnderTest.Build(
                $"policyd {{ listen = [\"127.0.0.1:1\", \"127.0.0.1:2\"], virtual_hosts = [ {{ name = a, port = 1, plugins "
                    + $"= [ {Lists} ] }}, {Other} ] }}", out var diagnostics));
        var warnings = diagnostics.All.Where(one => one.Message.Contains("result_from", StringComparison.Ordinal))
            .Select(one => one.Message)
            .ToList();
        Assert.Equal(
            ["plugin sbl: result_from: there is no RBL plugin \"zne\", so this plugin never acts; did you mean zen?",
             "plugin near: result_from: there is no GeoIPLookup plugin \"zen\", so this plugin never acts; available: countries"],
            warnings);
    }

    [Fact]
    public void Name_that_two_plugins_share_is_a_warning_unless_both_are_Greylists()
    {
        static int Warnings(string first, string second)
        {
            PolicyUnderTest.Build(
                $"policyd {{ virtual_hosts = [ {{ port = 12345, plugins = [ {{ name = x, {first} }}, {{ name = x, {second} }} ] }} ] }}",
                out var diagnostics);
            return diagnostics.All.Count(one => one.Message.Contains("has two plugins with the name \"x\"", StringComparison.Ordinal));
        }

        Assert.Equal(1, Warnings("module = SetField, key = a, value = b", "module = Action, action = dunno"));
        Assert.Equal(1, Warnings("module = SetField, key = a, value = b", "module = SetField, key = c, value = d"));
        Assert.Equal(0, Warnings("module = Greylist, create_ticket = off", "module = Greylist"));
    }

    [Fact]
    public void Restriction_class_is_known_when_declared() =>
        Assert.NotNull(
            PolicyUnderTest.Build(
                "policyd { restriction_classes = [greylisting], virtual_hosts = [ { port = 12345, plugins = [ { module = Action, "
                    + "action = greylisting } ] } ] }", out _));

    [Fact]
    public async Task Old_configuration_runs_with_its_sessions_in_memcached_and_a_warning_for_an_unknown_word()
    {
        var document = MtpolicydConfReader.Read("""
            port="127.0.0.1:12345"
            min_servers=2
            <Connection memcached>
              module = "Memcached"
              servers = "127.0.0.1:11211"
            </Connection>
            <SessionCache>
              module = "Memcached"
            </SessionCache>
            <VirtualHost 12345>
              name="t"
              <Plugin a>
                module = "action"
                action = "greylisting"
              </Plugin>
            </VirtualHost>
            """, "mtpolicyd.conf");
        var model = ModelBuilder.Build(document, new ModelEnvironment());
        Assert.True(model is not null, string.Join('\n', document.Diagnostics.All));
        Assert.IsType<FailOpenSessionStore>(model.Sessions);
        Assert.Single(
            document.Diagnostics.All,
            one => one.Severity == Severity.Warning && one.Message.Contains("smtpd_restriction_classes", StringComparison.Ordinal));
        var outcome = await model.VirtualHosts[0].RunAsync(PolicyRequestBuilder.AccessPolicy().ToRequest(), new(), Eventually.Timeout);
        Assert.Equal("greylisting", outcome.Action);
    }

    /// <summary>How a choice is named.</summary>
    public enum PaceOfUser
    {
        Fast,
        Slow,
        VerySlow,
    }

    /// <summary>A choice that a user may have otherwise.</summary>
    public sealed class PacesPlugin : Plugin
    {
        public UserOption<PaceOfUser> Pace { get; set; } = PaceOfUser.Fast;

        public override ValueTask<PluginResult> RunAsync(PluginContext context) => new(PluginResult.Answer(Pace.For(context) switch
        {
            PaceOfUser.VerySlow => "reject very slow",
            PaceOfUser.Slow => "reject slow",
            _ => "reject fast",
        }));
    }

    /// <summary>Options that a user may have otherwise.</summary>
    public sealed class DurationsPlugin : Plugin
    {
        public UserOption<TimeSpan> Wait { get; set; } = TimeSpan.FromSeconds(1);

        public UserOption<IReadOnlyList<string>> List { get; set; } = new([]);

        public override ValueTask<PluginResult> RunAsync(PluginContext context) =>
            new(PluginResult.Answer($"reject {Wait.For(context)}"));
    }
}
