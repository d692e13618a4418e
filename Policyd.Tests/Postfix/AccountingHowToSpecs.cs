using System.Text.RegularExpressions;
using Policyd.Tests.Support;

namespace Policyd.Tests.Postfix;

/// <summary>
/// docs/accounting-and-quota.md, followed word for word: its SQL, its main.cf and its two configurations, taken from the page itself. Only
/// ports, the database's address and the limits (a few mails instead of thousands) are other ones.
/// </summary>
[ServerTest]
public sealed partial class AccountingHowToSpecs : IDisposable
{
    private const string Refusal = "you exceeded your monthly limit, please insert coin";
    private readonly TemporaryFolder _folder = new();
    private readonly int _recipients = FreePort.Next();
    private readonly int _accounting = FreePort.Next();
    private readonly int _smtp = FreePort.Next();
    private readonly string _page = File.ReadAllText(FilesAbove.OfTheRepository(Path.Combine("docs", "accounting-and-quota.md")));

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Monthly_limit_of_the_first_part_holds()
    {
        await using var mariaDb = new MariaDbServer();
        var configuration = _folder.Write("policyd.hocon", Localized(Block("hocon", 0), await mariaDb.NewDatabase()));
        await using var server = await ServeAsync(configuration);
        await using var sink = new SmtpSink();
        await using var postfix = await StartPostfixAsync(sink);
        await AdmitsAsync(server, "192.0.2.30", 3);
        await AdmitsAsync(server, "192.0.2.31", 3);
        Assert.Equal(["192.0.2.30 3", "192.0.2.31 3"], await RowsAsync(mariaDb));
    }

    [Theory]
    [InlineData("hocon")]
    [InlineData("apache")]
    public async Task Standard_premium_and_unknown_host_have_their_own_limits(string form)
    {
        await using var mariaDb = new MariaDbServer();
        var dsn = await mariaDb.NewDatabase();
        await mariaDb.Execute("USE d1; " + Smaller(Block("sql", 0)));
        string configuration;
        if (form == "hocon")
        {
            var plugins = PluginsOfAccounting().Replace(
                Block("hocon", 0), match => match.Groups[1].Value + Block("hocon", 1) + match.Groups[2].Value);
            configuration = _folder.Write("policyd.hocon", Localized(plugins, dsn));
        }
        else
        {
            configuration = _folder.Write("mtpolicyd.conf", Localized($"""
                port="127.0.0.1:12345,127.0.0.1:12346"
                <Connection db>
                  module="Sql"
                  dsn="dbi:mysql:database=policyd;host=127.0.0.1"
                  user="policyd"
                  password="secret"
                </Connection>
                <VirtualHost 12345>
                  name="reputation"
                </VirtualHost>
                {Block("apache", 0)}
                """, dsn));
        }

        await using var server = await ServeAsync(configuration);
        await using var sink = new SmtpSink();
        await using var postfix = await StartPostfixAsync(sink);
        await AdmitsAsync(server, "192.0.2.10", 3);
        await AdmitsAsync(server, "192.0.2.20", 5);
        await AdmitsAsync(server, "192.0.2.30", 2);
        Assert.Equal(["192.0.2.10 3", "192.0.2.20 5", "192.0.2.30 2"], await RowsAsync(mariaDb));
    }

    [GeneratedRegex("""(name = accounting, port = 12346, plugins = \[).*?(\n    \] \})""", RegexOptions.Singleline)]
    private static partial Regex PluginsOfAccounting();

    /// <summary>The limits of the page, in mails that a test can send: 10000 is 5, 1000 is 3, 100 is 2.</summary>
    private static string Smaller(string text) => text
        .Replace("10000", "5", StringComparison.Ordinal)
            .Replace("1000", "3", StringComparison.Ordinal)
            .Replace("100", "2", StringComparison.Ordinal);

    private string Localized(string text, string dsn) => Smaller(text)
        .Replace("dbi:mysql:database=policyd;host=127.0.0.1", dsn, StringComparison.Ordinal)
        .Replace("12345", $"{_recipients}", StringComparison.Ordinal)
        .Replace("12346", $"{_accounting}", StringComparison.Ordinal);

    private string Block(string language, int index)
    {
        var blocks = Regex.Matches(_page, $"^```{language}\n(.*?)^```", RegexOptions.Singleline | RegexOptions.Multiline);
        Assert.True(index < blocks.Count, $"the page has {blocks.Count} blocks of {language}");
        return blocks[index].Groups[1].Value;
    }

    private async Task<ProcessUnderTest> ServeAsync(string configuration)
    {
        var server = ProcessUnderTest.Start(
            PolicydProcess.Executable,
            ["serve", "-c", configuration],
            new Dictionary<string, string> { ["POLICYD_DB_PASSWORD"] = "secret" });
        await PolicydProcess.Listens(server, _accounting);
        return server;
    }

    private async Task<PostfixServer> StartPostfixAsync(SmtpSink sink)
    {
        var mainCf =
            Regex.Match(_page, "^```\n# main.cf\n(.*?)^```", RegexOptions.Singleline | RegexOptions.Multiline).Groups[1].Value.Trim();
        return await PostfixServer.Start(
            sink.Port, new Dictionary<int, string[]> { [_smtp] = [mainCf.Replace("12346", $"{_accounting}", StringComparison.Ordinal)] });
    }

    private async Task AdmitsAsync(ProcessUnderTest server, string client, int limit)
    {
        for (var mail = 1; mail <= limit + 2; mail++)
        {
            await using var smtp = await SmtpDialogue.Connect(_smtp, client);
            var (_, end) = await smtp.Send("a@example.com", "b@example.org");
            var (code, text) = mail <= limit ? ("250 ", "") : ("450 4.7.1 ", Refusal);
            Assert.True(
                end?.StartsWith(code, StringComparison.Ordinal) == true && end.TrimEnd().EndsWith(text, StringComparison.Ordinal),
                $"mail {mail} of {client}: {end}; policyd printed:\n{string.Join('\n', server.Lines)}");
        }
    }

    private static async Task<string[]> RowsAsync(MariaDbServer mariaDb) =>
        (await mariaDb.Query("SELECT CONCAT(`key`, ' ', `count`) FROM d1.acct_client_address ORDER BY `key`")).Split(
            '\n', StringSplitOptions.RemoveEmptyEntries);
}
