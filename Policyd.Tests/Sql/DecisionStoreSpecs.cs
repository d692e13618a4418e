using System.Net;
using System.Text;
using Policyd.Backends.Dsn;
using Policyd.Backends.Schema;
using Policyd.Backends.Sql;
using Policyd.Backends.SqlDecisions;
using Policyd.Engine.Decisions;
using Policyd.Engine.Logging;
using Policyd.Plugins.Sql;
using Policyd.Protocol;
using Policyd.Server.Admin.Decisions;
using Policyd.Server.History;
using Policyd.Tests.Support;

namespace Policyd.Tests.Sql;

/// <summary>
/// The history of decisions: what is written is found, whatever bytes are in it, by each option of a search; what is old is deleted in
/// chunks. The same tests run on SQLite, PostgreSQL and MariaDB.
/// </summary>
public abstract class DecisionStoreSpecs : IAsyncLifetime
{
    private static readonly DateTimeOffset s_time = new(2026, 11, 29, 7, 8, 9, 123, TimeSpan.Zero);
    private SqlDatabase _database = null!;
    private SqlDecisionStore _store = null!;
    private int _number;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _database = SqlDatabase.Create(await Options());
        _store = new SqlDecisionStore(_database);
    }

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await _store.DisposeAsync();
    }

    [Fact]
    public async Task Every_field_comes_back_as_it_was_also_with_strange_bytes()
    {
        byte[] strange = [.. "sender=caf"u8, 0xe9, 0xff, .. " \u0001\u007f\u202e%41'\"\\;--@b.example\nhelo_name=\U0001f4ec"u8, .. "\n"u8];
        byte[] bytes =
        [
            .. strange,
            .. "recipient=B\u00fcrger@Example.ORG\nsasl_username=Bob Smith\nclient_address=192.0.2.7\nprotocol_state=RCPT\n"u8,
            .. "queue_id=4RtYhS2Zz0z9\ninstance=1a2b.65f0c1d2.3e4f5.0\n"u8,
        ];
        var record = Record(bytes, "550 5.7.1 no \u00e4 \U0001f4a9", recorder =>
        {
            var (outer, inner) = (new object(), new object());
            recorder.Begin(outer, null, "outer \u00e4", "Stress");
            recorder.Begin(inner, outer, "limit", "Quota");
            recorder.Add(inner, "Count of \u00e4", "7", "5", null);
            recorder.End(inner, StepOutcome.Answered, ["550 5.7.1 no \u00e4 \U0001f4a9"]);
            recorder.End(outer, StepOutcome.Answered, ["550 5.7.1 no \u00e4 \U0001f4a9"]);
        });
        var row = HistoryRow.Of(record, "mx1 \u00e4");
        await _store.WriteAsync([row], mayBeThere: false, Cancel);

        Assert.Equal(row, Assert.Single(await FindAsync(new() { Id = record.Id })));
        Assert.All(row.Record, static c => Assert.InRange(c, ' ', '~'));
        var (was, now) = (TraceReport.Of(record, withPlugins: true) with { Node = "mx1 \u00e4" }, HistoryRow.Read(row));
        Assert.Equal(was with { Plugins = null }, now with { Plugins = null });
        Assert.Equal(was.Plugins!.Select(Told), now.Plugins!.Select(Told));
        Assert.Equal("limit", now.Rule);

        static string Told(PluginReport plugin) =>
            $"{plugin with { Actions = [], Facts = [] }} {string.Join('|', plugin.Actions)} {string.Join('|', plugin.Facts)}";
    }

    [Fact]
    public async Task What_clients_send_is_bounded()
    {
        var large = new string('x', HistoryRow.LongestText - 1) + "\U0001f4ec" + new string('y', 60_000);
        var record = Record(
            Encoding.UTF8.GetBytes($"sender={large}\nrecipient={large}\nclient_address=unknown\n"),
            $"reject {large}",
            recorder =>
            {
                for (var number = 0; number < 100; number++)
                {
                    var plugin = new object();
                    recorder.Begin(plugin, null, $"p{number}", "Says");
                    recorder.Add(plugin, "value", large, null, null);
                    recorder.End(plugin, StepOutcome.Added, ["info x"]);
                }
            });
        var row = HistoryRow.Of(record, "mx1");
        Assert.InRange(row.Record.Length, 1, HistoryRow.LongestRecord);
        await _store.WriteAsync([row], mayBeThere: false, Cancel);

        var found = HistoryRow.Read(Assert.Single(await FindAsync(new() { Sender = large.ToUpperInvariant() })));
        Assert.Equal(new string('x', HistoryRow.LongestText - 1) + "…", found.Sender);
        Assert.Equal(100, found.Plugins!.Count);
        Assert.All(found.Plugins, static plugin => Assert.Empty(plugin.Facts));
        Assert.Null(row.Client);
    }

    [Fact]
    public async Task Each_option_of_a_search_finds_what_it_asks_for_and_nothing_else()
    {
        var (first, second, third, fourth) = (
            await WriteAsync(
                "reject no", "limit", "sasl_username=Bob\nsender=A@x.example\nrecipient=b@y.example\nclient_address=192.0.2.7\n"),
            await WriteAsync("450 later", "grey", "sender=\nrecipient=B@Y.example\nclient_address=192.0.3.1\nqueue_id=4RtY\n"),
            await WriteAsync(null, "broken", "sender=c@x.example\nclient_address=2001:db8:1::7\n"),
            await WriteAsync("DEFER_IF_PERMIT x", "limit", "sender=c@x.example\nclient_address=::ffff:192.0.2.200\n", observed: "trial"));

        Assert.Equal([fourth, third, second, first], await IdsAsync(new()));
        Assert.Equal([fourth, third], await IdsAsync(new() { Limit = 2 }));
        Assert.Equal([fourth], await IdsAsync(new() { Since = s_time.AddSeconds(4) }));
        Assert.Equal([second], await IdsAsync(new() { Id = second }));
        Assert.Equal([first], await IdsAsync(new() { User = "bOB" }));
        Assert.Equal([first], await IdsAsync(new() { Sender = "a@X.EXAMPLE" }));
        Assert.Equal([second], await IdsAsync(new() { Sender = "" }));
        Assert.Equal([second, first], await IdsAsync(new() { Recipient = "b@y.EXAMPLE" }));
        Assert.Equal([second], await IdsAsync(new() { QueueId = "4RtY" }));
        Assert.Empty(await IdsAsync(new() { QueueId = "4rty" }));
        Assert.Equal([fourth, first], await IdsAsync(new() { Rule = "limit" }));
        Assert.Equal([fourth], await IdsAsync(new() { Rule = "trial" }));
        Assert.Empty(await IdsAsync(new() { Rule = "limi_" }));
        Assert.Equal([first], await IdsAsync(new() { Action = "REJECT" }));
        Assert.Equal([fourth, second], await IdsAsync(new() { Action = "defer" }));
        Assert.Equal([second], await IdsAsync(new() { Action = "450" }));
        Assert.Equal([third], await IdsAsync(new() { Action = "none" }));
        Assert.Equal([fourth, first], await IdsAsync(new() { Clients = DecisionKey.RangeOf(IPAddress.Parse("192.0.2.99"), 24) }));
        Assert.Equal([first], await IdsAsync(new() { Clients = DecisionKey.RangeOf(IPAddress.Parse("192.0.2.7"), 32) }));
        Assert.Equal([third], await IdsAsync(new() { Clients = DecisionKey.RangeOf(IPAddress.Parse("2001:db8::"), 32) }));
        Assert.Equal(
            [fourth, third, second, first], await IdsAsync(new() { Clients = DecisionKey.RangeOf(IPAddress.IPv6Any, 0) }));
        Assert.Equal([first], await IdsAsync(new() { Rule = "limit", Sender = "a@x.example", Action = "reject" }));
    }

    [Fact]
    public async Task A_batch_that_may_have_been_written_is_written_once()
    {
        var rows = Rows(250, s_time);
        await _store.WriteAsync(rows, mayBeThere: false, Cancel);
        await _store.WriteAsync(rows, mayBeThere: true, Cancel);
        Assert.Equal(rows.Select(static row => row.Id).Order(), (await IdsAsync(new())).Order());
    }

    [Fact]
    public async Task Two_servers_write_and_purge_at_once_and_what_is_new_stays()
    {
        var other = new SqlDecisionStore(SqlDatabase.Create(await SameOptions()));
        await using var _ = other;
        SqlDecisionStore[] servers = [_store, other];
        var (old, young) = (s_time.AddDays(-31), s_time.AddHours(-1));
        await Task.WhenAll(servers.SelectMany(server => Enumerable.Range(0, 10).Select(
            batch => WriteRepeatedlyAsync(server, Rows(50, batch < 6 ? old : young)))));
        Assert.Equal(1000, (await IdsAsync(new())).Count);

        var deleted = await Task.WhenAll(servers.Select(server => Task.Run(() => PurgeAsync(server, s_time.AddDays(-30)))));
        Assert.Equal(600, deleted.Sum());
        var left = await FindAsync(new());
        Assert.Equal(400, left.Count);
        Assert.All(left, static row => Assert.True(row.At >= s_time.AddHours(-1).ToUnixTimeMilliseconds()));
    }

    [Fact]
    public async Task What_is_old_is_deleted_in_chunks()
    {
        for (var batch = 0; batch < 3; batch++)
        {
            var rows = Enumerable.Range(100 * batch, 100).Select(static number => Row(s_time.AddMilliseconds(number)));
            await _store.WriteAsync([.. rows], mayBeThere: false, Cancel);
        }

        Assert.Equal(80, await _store.PurgeAsync(s_time.AddMilliseconds(200), 80, Cancel));
        Assert.Equal(80, await _store.PurgeAsync(s_time.AddMilliseconds(200), 80, Cancel));
        Assert.Equal(40, await _store.PurgeAsync(s_time.AddMilliseconds(200), 80, Cancel));
        Assert.Equal(0, await _store.PurgeAsync(s_time.AddMilliseconds(200), 80, Cancel));
        Assert.Equal(100, (await IdsAsync(new())).Count);
    }

    [Fact]
    public async Task A_search_makes_nothing_and_a_newer_table_is_refused()
    {
        Assert.Empty(await FindAsync(new()));
        var due = await OwnSchema.DescribeAsync(_database, OwnTableGroup.Decisions, Cancel);
        Assert.Contains(due, static change => change.StartsWith("table policyd_decisions: created", StringComparison.Ordinal));
        await WriteAsync("reject no", "limit", "sender=a@x.example\n");
        Assert.Empty(await OwnSchema.DescribeAsync(_database, OwnTableGroup.Decisions, Cancel));
        await ExecuteAsync("UPDATE policyd_schema SET version = 99 WHERE component = 'decisions'");
        Assert.Contains(
            "the tables of decisions",
            (await Assert.ThrowsAsync<NewerSchemaException>(() => _store.FindAsync(new(), Cancel))).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_table_of_somebody_else_is_told_in_one_line()
    {
        await ExecuteAsync("CREATE TABLE policyd_decisions (id int)");
        var refused = await Assert.ThrowsAsync<SqlRefusedException>(() => _store.FindAsync(new(), Cancel));
        Assert.DoesNotContain('\n', refused.Message);
        await Assert.ThrowsAsync<SqlRefusedException>(() => _store.PurgeAsync(s_time, 10, Cancel));
    }

    private protected abstract Task<SqlConnectionOptions> Options();

    /// <summary>Those of the same database once more.</summary>
    private protected abstract Task<SqlConnectionOptions> SameOptions();

    private protected static SqlConnectionOptions OptionsOf(string dsn, string? user = null) => new()
    {
        Dsn = SqlDsn.TryParse(dsn, out var read, out var error) ? read! : throw new InvalidOperationException(error),
        User = user,
        Password = user is null ? null : "secret",
    };

    private Task<IReadOnlyList<DecisionRow>> FindAsync(DecisionSearch search) => _store.FindAsync(search, Cancel);

    private async Task<List<string>> IdsAsync(DecisionSearch search) => [.. (await FindAsync(search)).Select(static row => row.Id)];

    private async Task<string> WriteAsync(string? action, string rule, string request, string? observed = null)
    {
        var record = new RequestRecord
        {
            VirtualHost = "x",
            Request = Request(Encoding.UTF8.GetBytes(request)),
            Action = action,
            Plugin = rule,
            Remarks = new DecisionRemarks { WouldWithhold = observed },
            Trail = new DecisionTrail(s_time.AddSeconds(++_number), null),
        };
        await _store.WriteAsync([HistoryRow.Of(record, "mx1")], mayBeThere: false, Cancel);
        return record.Id!;
    }

    private async Task ExecuteAsync(string sql)
    {
        await using var connection = await _database.OpenAsync(Cancel);
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await command.ExecuteNonQueryAsync(Cancel);
    }

    // As the writer does: a database may refuse one of two transactions that wait for each other.
    private static async Task WriteRepeatedlyAsync(SqlDecisionStore store, List<DecisionRow> rows) => await Eventually.Holds(
        "a batch to be written",
        async () =>
        {
            try
            {
                await store.WriteAsync(rows, mayBeThere: true, Cancel);
                return true;
            }
            catch (System.Data.Common.DbException)
            {
                return false;
            }
        });

    private static async Task<int> PurgeAsync(SqlDecisionStore store, DateTimeOffset before)
    {
        var deleted = 0;
        await Eventually.Holds("all chunks to be deleted", async () =>
        {
            try
            {
                var chunk = await store.PurgeAsync(before, 40, Cancel);
                deleted += chunk;
                return chunk == 0;
            }
            catch (System.Data.Common.DbException)
            {
                return false;
            }
        });
        return deleted;
    }

    private static List<DecisionRow> Rows(int count, DateTimeOffset time) => [.. Enumerable.Range(0, count).Select(_ => Row(time))];

    private static DecisionRow Row(DateTimeOffset time) => new()
    {
        Id = DecisionId.New(time),
        At = time.ToUnixTimeMilliseconds(),
        Node = "mx1",
        Record = "{}",
    };

    private static RequestRecord Record(byte[] bytes, string action, Action<DecisionRecorder> chain)
    {
        var recorder = new DecisionRecorder(DecisionDepth.Facts, TimeProvider.System);
        chain(recorder);
        return new RequestRecord
        {
            VirtualHost = "in \u00e4",
            Request = Request(bytes),
            Action = action,
            Remarks = new DecisionRemarks { Observed = "trial: defer \u00e4" },
            Failure = "plugin x failed: \u202e",
            Elapsed = TimeSpan.FromMilliseconds(12.345),
            Trail = new DecisionTrail(s_time, recorder.Close()),
        };
    }

    private static PolicyRequest Request(byte[] bytes)
    {
        Assert.True(
            PolicyRequestReader.TryRead(bytes, new RequestLimits { MaxRequestBytes = int.MaxValue }, out var request, out var error),
            error?.Message);
        return request!;
    }
}

public sealed class DecisionStoreOnSqliteSpecs : DecisionStoreSpecs, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private protected override Task<SqlConnectionOptions> Options() => SameOptions();

    private protected override Task<SqlConnectionOptions> SameOptions() =>
        Task.FromResult(OptionsOf($"Data Source={_folder["decisions.db"]};Default Timeout=60"));
}

[ServerTest]
public sealed class DecisionStoreOnPostgresSpecs(PostgresServer server) : DecisionStoreSpecs
{
    private string _dsn = "";

    private protected override async Task<SqlConnectionOptions> Options()
    {
        _dsn = await server.NewDatabase();
        return await SameOptions();
    }

    private protected override Task<SqlConnectionOptions> SameOptions() => Task.FromResult(OptionsOf(_dsn, ((IDatabaseServer)server).User));
}

[ServerTest]
public sealed class DecisionStoreOnMariaDbSpecs(MariaDbServer server) : DecisionStoreSpecs
{
    private string _dsn = "";

    private protected override async Task<SqlConnectionOptions> Options()
    {
        _dsn = await server.NewDatabase();
        return await SameOptions();
    }

    private protected override Task<SqlConnectionOptions> SameOptions() => Task.FromResult(OptionsOf(_dsn, ((IDatabaseServer)server).User));
}
