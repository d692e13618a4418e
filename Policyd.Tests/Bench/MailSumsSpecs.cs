using Policyd.Bench.Databases;
using Policyd.Tests.Support;
using Xunit;

namespace Policyd.Tests.Bench;

/// <summary>What a server has counted, held against what it was asked.</summary>
public sealed class MailSumsSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string DatabaseFile => _folder["counters.db"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Sums_since_the_start_are_exact_when_each_table_has_every_mail()
    {
        Count("acct_a", 3);
        var sums = await StartAsync();
        sums.Add(5, 5);
        Count("acct_a", 2);
        Count("acct_a", 3);
        Count("acct_b", 5);
        Count("other", 9);
        var result = await sums.CheckAsync(TestContext.Current.CancellationToken);
        Assert.True(result.IsExact);
        Assert.Equal("sums: exact (5 mails in acct_a, acct_b)", result.ToString());
    }

    [Fact]
    public async Task Table_that_has_other_mails_is_told_with_the_difference()
    {
        var sums = await StartAsync();
        sums.Add(2000, 2000);
        Count("acct_a", 2001);
        Count("acct_b", 500);
        Count("acct_c", 2000);
        var result = await sums.CheckAsync(TestContext.Current.CancellationToken);
        Assert.False(result.IsExact);
        Assert.Equal("sums: acct_a 2,001 (+1), acct_b 500 (-1,500), acct_c 2,000 (exact) of 2,000 mails", result.ToString());
    }

    [Fact]
    public async Task Mail_without_an_answer_may_be_counted_or_not()
    {
        var sums = await StartAsync();
        sums.Add(3, 5);
        Count("acct_a", 4);
        Assert.True((await sums.CheckAsync(TestContext.Current.CancellationToken)).IsExact);
        Count("acct_a", 2);
        Assert.False((await sums.CheckAsync(TestContext.Current.CancellationToken)).IsExact);
    }

    [Fact]
    public async Task Database_without_a_counter_table_is_not_exact()
    {
        var sums = await StartAsync();
        Count("other", 1);
        Assert.False((await sums.CheckAsync(TestContext.Current.CancellationToken)).IsExact);
    }

    private async Task<MailSums> StartAsync()
    {
        var files = await DatabaseServers.StartAsync(DatabaseKind.Sqlite, _folder.Path, TestContext.Current.CancellationToken);
        var database = await files.CreateAsync(_folder.Path, TestContext.Current.CancellationToken);
        return await MailSums.StartAsync(database, TestContext.Current.CancellationToken);
    }

    private void Count(string table, int mails) => SqliteFile.Execute(
        DatabaseFile, $"CREATE TABLE IF NOT EXISTS {table} (count BIGINT NOT NULL); INSERT INTO {table} VALUES ({mails})");
}
