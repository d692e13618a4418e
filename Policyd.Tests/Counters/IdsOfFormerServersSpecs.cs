using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Data.Sqlite;
using Policyd.Plugins.Counters;
using Policyd.Protocol;
using Policyd.Tests.Actors;
using Policyd.Tests.Support;

namespace Policyd.Tests.Counters;

/// <summary>
/// A server is upgraded while Postfix waits for an answer: the mails of the last minutes are in the database under ids of version 1, and
/// one that is asked about again must not be counted twice.
/// </summary>
public sealed class IdsOfFormerServersSpecs : IDisposable
{
    private const string Exceeded = "defer smtp traffic quota has been exceeded";

    private readonly TemporaryFolder _folder = new();

    private string DatabaseFile => _folder["counters.db"];

    [Fact]
    public async Task Mail_that_a_former_server_counted_is_let_in_again_and_not_counted_again()
    {
        WriteAsFormerServer("a@example.com", TimeSpan.FromMinutes(1), "1", "2");
        await using var server = await StartAsync("{ name = q, module = Quota, field = sender, metric = count, threshold = 2 }");
        await using var client = await PolicyClient.ConnectAsync(server.Endpoint, TestContext.Current.CancellationToken);
        Assert.Equal(Exceeded, await Ask(client, "a@example.com", "3"));
        Assert.Equal("dunno", await Ask(client, "a@example.com", "2"));
        Assert.Equal(2, Count("a@example.com"));
        Assert.Equal("dunno", await Ask(client, "b@example.com", "4"));
        Assert.Equal("dunno", await Ask(client, "a@example.com", "1"));
        Assert.Equal("dunno", await Ask(client, "b@example.com", "4"));
        Assert.Equal((2, 1), (Count("a@example.com"), Count("b@example.com")));
    }

    [Fact]
    public async Task First_add_of_a_server_is_recognized_as_one_that_a_former_server_counted()
    {
        WriteAsFormerServer("a@example.com", TimeSpan.FromMinutes(1), "1", "2");
        await using var server = await StartAsync();
        await using var client = await PolicyClient.ConnectAsync(server.Endpoint, TestContext.Current.CancellationToken);
        Assert.Equal("dunno", await Ask(client, "a@example.com", "2"));
        Assert.Equal(2, Count("a@example.com"));
        Assert.Equal("dunno", await Ask(client, "a@example.com", "3"));
        Assert.Equal("dunno", await Ask(client, "a@example.com", "1"));
        Assert.Equal("dunno", await Ask(client, "a@example.com", "3"));
        Assert.Equal(3, Count("a@example.com"));
    }

    public void Dispose() => _folder.Dispose();

    private Task<ServerUnderTest> StartAsync(string quota = "") => ServerUnderTest.StartAsync($$"""
        policyd { listen = ["127.0.0.1:0"], session_cache { module = None }
          connections { db { module = Sql, dsn = "Data Source={{DatabaseFile}};Default Timeout=30", provider = SQLite } }
          virtual_hosts = [ { name = counting, port = "127.0.0.1:0", plugins = [
            {{quota}}
            { name = a, module = Accounting, fields = sender } ] } ] }
        """);

    private static async Task<string> Ask(PolicyClient client, string sender, string instance) => await client.AskAsync(
        PolicyRequestBuilder.AccessPolicy().Add("protocol_state", "END-OF-MESSAGE").Add("sender", sender).Add("instance", instance)
            .ToBytes(),
        TestContext.Current.CancellationToken);

    /// <summary>One commit, with the tables and the ids of a server before version 2.</summary>
    private void WriteAsFormerServer(string sender, TimeSpan age, params string[] instances)
    {
        using var database = new SqliteConnection($"Data Source={DatabaseFile};Pooling=False");
        database.Open();
        using var command = database.CreateCommand();
        command.CommandText =
            """
            PRAGMA journal_mode = WAL;
            CREATE TABLE policyd_commits (node TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, ids BLOB NOT NULL,
              PRIMARY KEY (node, seq));
            CREATE INDEX policyd_commits_at ON policyd_commits (at);
            CREATE TABLE acct_sender ("key" VARCHAR(255) NOT NULL, "time" VARCHAR(255) NOT NULL, count BIGINT NOT NULL,
              count_rcpt BIGINT NOT NULL, size BIGINT NOT NULL, size_rcpt BIGINT NOT NULL, PRIMARY KEY ("key", "time")) WITHOUT ROWID;
            INSERT INTO policyd_commits VALUES (@node, 1, @at, @ids);
            INSERT INTO acct_sender VALUES (@key, @time, @count, @count, 0, 0);
            """;
        command.Parameters.AddWithValue("@node", Guid.NewGuid().ToString("N"));
        command.Parameters.AddWithValue("@at", (DateTimeOffset.UtcNow - age).ToUnixTimeMilliseconds());
        command.Parameters.AddWithValue("@ids", instances.SelectMany(instance => IdOfVersion1(instance, sender)).ToArray());
        command.Parameters.AddWithValue("@key", sender);
        command.Parameters.AddWithValue("@time", DateTime.Now.ToString("yyyy-MM", CultureInfo.InvariantCulture));
        command.Parameters.AddWithValue("@count", instances.Length);
        command.ExecuteNonQuery();
    }

    // 96 bits of the hash, and 32 of the request's state and recipient.
    private static byte[] IdOfVersion1(string instance, string sender)
    {
        var id = SHA256.HashData(Encoding.UTF8.GetBytes($"{instance}\0a\0acct_sender\0{sender}"))[..16];
        var request = PolicyRequestBuilder.AccessPolicy().Add("protocol_state", "END-OF-MESSAGE").ToRequest();
        BinaryPrimitives.WriteUInt32BigEndian(id.AsSpan(12), CounterRequestId.PartOf(request));
        return id;
    }

    private long Count(string sender) =>
        SqliteFile.Number(DatabaseFile, "SELECT coalesce(sum(\"count\"), 0) FROM acct_sender WHERE \"key\" = @key", sender);
}
