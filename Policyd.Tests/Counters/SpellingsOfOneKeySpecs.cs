using System.Globalization;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Counters;

/// <summary>
/// The running server on tables whose collation takes several spellings for one key: they share one count, exactly, whoever asks at once.
/// </summary>
[ServerTest]
public sealed class SpellingsOfOneKeySpecs(MariaDbServer mariaDb, ITestOutputHelper output) : IDisposable
{
    private const string Key = "sasl_username";
    private const int Threshold = 100;
    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();

    [Fact]
    public async Task Spellings_of_one_row_of_MariaDb_are_admitted_exactly_as_often_as_the_threshold_says()
    {
        var dsn = await mariaDb.NewDatabase();
        var database = dsn.Split('=', ';')[1];
        await mariaDb.Execute(
            $"CREATE TABLE {database}.acct_{Key} (id int NOT NULL AUTO_INCREMENT PRIMARY KEY, `key` VARCHAR(255) NOT NULL, "
                + $"`time` VARCHAR(255) NOT NULL, "
                + "count INT UNSIGNED NOT NULL, count_rcpt INT UNSIGNED NOT NULL, size INT UNSIGNED NOT NULL, size_rcpt INT UNSIGNED NOT "
                + "NULL, UNIQUE KEY time_key (`key`, `time`)) "
                + "CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci");
        var rows = await AdmitsThreshold(
            $"dsn = \"{dsn}\", user = policyd, password = secret", ["jose", "josé", "JOSE", "José", "jose ", "JOSÉ"], () =>
                mariaDb.Query($"SELECT count FROM {database}.acct_{Key}"));
        Assert.Equal(Threshold.ToString(CultureInfo.InvariantCulture), rows.Trim());
    }

    [Fact]
    public async Task Spellings_of_one_row_of_SQLite_are_admitted_exactly_as_often_as_the_threshold_says()
    {
        var file = _folder["counters.db"];
        SqliteFile.Execute(
            file,
            $"CREATE TABLE acct_{Key} (\"key\" TEXT COLLATE NOCASE NOT NULL, \"time\" TEXT NOT NULL, count INT, count_rcpt INT, size INT, "
                + $"size_rcpt INT, PRIMARY KEY (\"key\", \"time\"))");
        var rows = await AdmitsThreshold($"dsn = \"dbi:SQLite:dbname={file}\"", ["jose", "JOSE", "Jose"], () =>
            Task.FromResult(Assert.Single(SqliteFile.Rows(file, $"SELECT count FROM acct_{Key}"))));
        Assert.Equal(Threshold.ToString(CultureInfo.InvariantCulture), rows);
    }

    public void Dispose() => _folder.Dispose();

    private async Task<string> AdmitsThreshold(string connection, string[] spellings, Func<Task<string>> rows)
    {
        var configuration = _folder.Write("policyd.hocon", $$"""
            policyd { listen = ["127.0.0.1:{{_port}}"]
              connections { db { module = Sql, {{connection}} } }
              virtual_hosts = [ { name = t, port = {{_port}}, plugins = [
                { name = q, module = Quota, field = {{Key}}, metric = count, threshold = {{Threshold}}, action = "defer over" }
                { name = a, module = Accounting, fields = {{Key}} } ] } ] }
            """);
        await using var server = await PolicydProcess.Serve(configuration, _port);
        var admitted = 0;
        await Task.WhenAll(Enumerable.Range(0, Threshold).Select(async connectionNumber =>
        {
            await using var client = await PolicyClient.ConnectAsync(
                PolicyEndpoint.Tcp("127.0.0.1", _port), TestContext.Current.CancellationToken);
            for (var mail = 0; mail < 3; mail++)
            {
                var request = PolicyRequestBuilder.AccessPolicy().Add("protocol_state", "END-OF-MESSAGE")
                    .Add(Key, spellings[(connectionNumber + mail) % spellings.Length])
                        .Add("instance", $"{connectionNumber}.{mail}")
                        .ToBytes();
                if (await client.AskAsync(request, TestContext.Current.CancellationToken) == "dunno")
                {
                    Interlocked.Increment(ref admitted);
                }
            }
        }));
        Assert.Equal(Threshold, admitted);
        Summary.Line(
            output, $"{spellings.Length} spellings of one row on {Threshold} connections, threshold {Threshold}: {admitted} mails let in");
        return await rows();
    }
}
