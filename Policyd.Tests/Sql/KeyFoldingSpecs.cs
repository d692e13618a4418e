using System.Globalization;
using Policyd.Backends.Dsn;
using Policyd.Backends.Sql;
using Policyd.Backends.SqlCounters;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Sql;
using Policyd.Tests.Support;

namespace Policyd.Tests.Sql;

/// <summary>
/// Two keys have one text, and so one owner, exactly when the table's unique key takes them for one: the database itself is asked which.
/// </summary>
public sealed class KeyFoldingSpecs(MariaDbServer mariaDb, PostgresServer postgres, ITestOutputHelper output) : IDisposable
{
    private const string Table = "acct_sender";
    private static readonly string[] s_spellings = ["jose", "josé", "JOSE", "Jose "];
    private static readonly string[] s_pieces =
    [
        "jose", "josé", "JOSE", "Jose\u0301", "José", " ", "  ", "ß", "ss", "SS", "ẞ", "s", "æ", "Æ", "ae", "AE", "ä", "Ä", "a", "A", "å",
        "Å", "ö", "oe", "ø", "ü", "ue", "y", "Y", "ÿ",
        "i", "I", "ı", "İ", "Иван", "иван", "ё", "е", "σς", "ΣΣ", "か", "カ", "が", "日本", "\uFA10", "\u585A", "가", "\u1100\u1161", "😀", "😁",
        "𝐚", "\U00010400", "\U00010428", "ﬃ", "ffi", "\u00a0", "\u00ad",
        "\t", "-", "_", "@", ".", "+", "'", "đ", "d", "ł", "l", "œ", "oe", "þ", "th", "µ", "μ", "1", "²", "2", "½", "\u200b",
    ];

    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [ServerTest]
    [Theory]
    [InlineData("latin1", "latin1_swedish_ci")]
    [InlineData("latin1", "latin1_german1_ci")]
    [InlineData("latin1", "latin1_german2_ci")]
    [InlineData("latin1", "latin1_general_ci")]
    [InlineData("latin1", "latin1_general_cs")]
    [InlineData("latin1", "latin1_bin")]
    [InlineData("latin1", "latin1_swedish_nopad_ci")]
    [InlineData("latin1", "latin1_nopad_bin")]
    [InlineData("utf8mb3", "utf8mb3_general_ci")]
    [InlineData("utf8mb3", "utf8mb3_turkish_ci")]
    [InlineData("utf8mb4", "utf8mb4_general_ci")]
    [InlineData("utf8mb4", "utf8mb4_general_nopad_ci")]
    [InlineData("utf8mb4", "utf8mb4_unicode_ci")]
    [InlineData("utf8mb4", "utf8mb4_unicode_nopad_ci")]
    [InlineData("utf8mb4", "utf8mb4_unicode_520_ci")]
    [InlineData("utf8mb4", "utf8mb4_german2_ci")]
    [InlineData("utf8mb4", "utf8mb4_swedish_ci")]
    [InlineData("utf8mb4", "utf8mb4_uca1400_ai_ci")]
    [InlineData("utf8mb4", "utf8mb4_uca1400_as_ci")]
    [InlineData("utf8mb4", "utf8mb4_uca1400_as_cs")]
    [InlineData("utf8mb4", "utf8mb4_bin")]
    [InlineData("utf8mb4", "utf8mb4_nopad_bin")]
    public async Task Keys_of_MariaDb_are_one_exactly_when_its_collation_says_so(string charset, string collation)
    {
        await using var database = SqlDatabase.Create(await MariaDbOptions());
        await CreateAsync(database, $"CHARACTER SET {charset} COLLATE {collation}");
        await using var store = database.CreateCounterStore();
        var info = await store.PrepareAsync(Table, Cancel);
        Assert.DoesNotContain(info.Warnings, static warning => warning.Contains("collation", StringComparison.Ordinal));

        // By levels Hangul in parts is compared otherwise than whole; here both are one key, which is the safe side.
        await HoldsAsync(database, info, "`key`", collation.Contains("_as_", StringComparison.Ordinal) ? "\u1100" : "\0");
    }

    [ServerTest]
    [Fact]
    public async Task Pairs_of_letters_that_are_one_letter_are_warned_of()
    {
        await using var database = SqlDatabase.Create(await MariaDbOptions());
        await CreateAsync(database, "CHARACTER SET utf8mb4 COLLATE utf8mb4_danish_ci");
        await using var store = database.CreateCounterStore();
        Assert.Contains((await store.PrepareAsync(Table, Cancel)).Warnings, static warning =>
            warning.Contains("utf8mb4_danish_ci", StringComparison.Ordinal) && warning.Contains("(aa)", StringComparison.Ordinal));
    }

    [Theory, InlineData("BINARY"), InlineData("NOCASE"), InlineData("RTRIM")]
    public async Task Keys_of_SQLite_are_one_exactly_when_its_collation_says_so(string collation)
    {
        await using var database = SqlDatabase.Create(
            new SqlConnectionOptions { Dsn = Dsn($"dbi:SQLite:dbname={_folder["counters.db"]}") });
        await ExecuteAsync(
            database,
            $"CREATE TABLE {Table} (id INTEGER PRIMARY KEY, \"key\" VARCHAR(255) NOT NULL COLLATE {collation}, \"time\" VARCHAR(255) NOT "
                + $"NULL, count INT, count_rcpt INT, size INT, size_rcpt INT, UNIQUE (\"key\", \"time\"))");
        await ExecuteAsync(database, $"CREATE TABLE spellings (id INTEGER PRIMARY KEY, \"key\" VARCHAR(255) COLLATE {collation})");
        await using var store = database.CreateCounterStore();
        await HoldsAsync(database, await store.PrepareAsync(Table, Cancel), "\"key\"");
    }

    [ServerTest]
    [Theory]
    [InlineData("varchar(255)", false)]
    [InlineData("varchar(255) COLLATE \"C\"", false)]
    [InlineData("char(200)", false)]
    [InlineData("citext", false)]
    [InlineData("varchar(255) COLLATE level2", true)]
    [InlineData("text COLLATE level1", true)]
    public async Task Keys_of_PostgreSql_are_one_exactly_when_the_type_and_collation_say_so(string type, bool warns)
    {
        await using var database = SqlDatabase.Create(
            new SqlConnectionOptions { Dsn = Dsn(await postgres.NewDatabase()), User = "postgres" });
        await ExecuteAsync(database, "CREATE EXTENSION citext");
        await ExecuteAsync(database, "CREATE COLLATION level2 (provider = icu, locale = 'und-u-ks-level2', deterministic = false)");
        await ExecuteAsync(database, "CREATE COLLATION level1 (provider = icu, locale = 'und-u-ks-level1', deterministic = false)");
        await ExecuteAsync(
            database,
            $"CREATE TABLE {Table} (\"key\" {type} NOT NULL, \"time\" varchar(255) NOT NULL, count bigint NOT NULL, count_rcpt bigint NOT "
                + $"NULL, size bigint NOT NULL, size_rcpt bigint NOT NULL, PRIMARY KEY (\"key\", \"time\"))");
        await ExecuteAsync(database, $"CREATE TABLE spellings (id int PRIMARY KEY, \"key\" {type})");
        await using var store = database.CreateCounterStore();
        var info = await store.PrepareAsync(Table, Cancel);
        Assert.Equal(warns, info.Warnings.Any());
        if (!warns)
        {
            await HoldsAsync(database, info, "\"key\"");
        }

        string[] spellings = warns
            ? ["Jos\u00e9", "JOS\u00c9"]
            : type == "citext" ? ["Jose", "JOSE"] : type.StartsWith("char", StringComparison.Ordinal) ? ["a", "a  "] : ["a", "a"];
        await CountsOnAsync(store, info, spellings);
    }

    [ServerTest]
    [Fact]
    public async Task Collation_that_tells_only_case_apart_has_one_owner_for_more_keys()
    {
        await using var database = SqlDatabase.Create(await MariaDbOptions());
        await CreateAsync(database, "CHARACTER SET utf8mb4 COLLATE utf8mb4_uca1400_ai_cs");
        await using var store = database.CreateCounterStore();
        var info = await store.PrepareAsync(Table, Cancel);
        Assert.All(s_spellings, key => Assert.Equal("jose", CounterKeyText.ForTable(key, info)));
    }

    [ServerTest]
    [Fact]
    public async Task Rows_that_stand_under_another_spelling_are_read_and_counted_on()
    {
        await using var database = SqlDatabase.Create(await MariaDbOptions());
        await CreateAsync(database, "CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci");
        await ExecuteAsync(
            database, $"INSERT INTO {Table} VALUES (0, 'Müller ', '2026-11', 3, 3, 3, 3), (0, 'ИВАН', '2026-11', 4, 4, 4, 4)");
        await using var store = database.CreateCounterStore();
        var info = await store.PrepareAsync(Table, Cancel);
        string[] keys = [CounterKeyText.ForTable("muller", info), CounterKeyText.ForTable("Иван", info)];
        var month = new CounterTimeRange("2026-11", "2026-11");
        var rows = await store.LoadAsync(Table, [.. keys.Select(key => new CounterLoad(key, month))], Cancel);
        Assert.Equal(
            [(keys[0], 3L), (keys[1], 4L)], rows.Select(static row => (row.Key, row.Total.Count)).OrderBy(static row => row.Count));
        var totals = await store.CommitAsync(
            new CounterCommit(Guid.NewGuid(), 1, DateTimeOffset.UtcNow, [], [
                .. keys.Select(static key => new CounterDelta(Table, key, "2026-11", new CounterAmounts(1, 1, 1, 1)))
            ]), Cancel);
        Assert.Equal([4L, 5L], totals.Select(static total => total.Row.Total.Count).Order());
    }

    [Fact]
    public void Folding_of_what_is_folded_gives_the_same_object()
    {
        const string Key = "a-b.c_d+e@example.org";
        Assert.Same(Key, KeyFolding.AsciiCase.Fold(Key));
        Assert.Same(Key, KeyFolding.Exact.Fold(Key));
        Assert.Same(Key, KeyFolding.TrailingSpaces.Fold(Key));
        Assert.Equal(Key, KeyFolding.AsciiCase.Fold(Key.ToUpperInvariant()));
        Assert.Equal("\ud800É\udc00x", KeyFolding.AsciiCase.Fold("\ud800É\udc00X"));
    }

    [Fact]
    public void Character_of_several_weights_is_spelled_by_the_characters_of_each_and_one_without_is_left_out()
    {
        var folding = KeyFolding.OfWeights(
            [('S', "0010"), ('s', "0010"), ('ß', "00100010"), ('\u00ad', ""), (' ', "0002"), ('\u00a0', "0002")],
            ignoresTrailingSpaces: true,
            hasLevels: false);
        Assert.Equal("sss", folding.Fold("ßS\u00ad\u00a0 "));
        Assert.Equal("", folding.Fold(" "));
    }

    public void Dispose() => _folder.Dispose();

    private async Task<SqlConnectionOptions> MariaDbOptions() =>
        new() { Dsn = Dsn(await mariaDb.NewDatabase()), User = "policyd", Password = "secret" };

    /// <summary>All spellings count into one row, whose sums are read by each.</summary>
    private static async Task CountsOnAsync(ICounterStore store, CounterTableInfo info, string[] spellings)
    {
        var node = Guid.NewGuid();
        foreach (var (at, spelling) in spellings.Index())
        {
            var key = CounterKeyText.ForTable(spelling, info);
            var committed = await store.CommitAsync(
                new CounterCommit(node, at, DateTimeOffset.UtcNow, [], [
                    new CounterDelta(Table, key, "2026-11", new CounterAmounts(1, 1, 1, 1))
                ]), Cancel);
            Assert.Equal((key, at + 1L), (committed.Single().Row.Key, committed.Single().Row.Total.Count));
            var loaded = await store.LoadAsync(Table, [new CounterLoad(key, new CounterTimeRange("2026-11", "2026-11"))], Cancel);
            Assert.Equal((key, at + 1L), (loaded.Single().Key, loaded.Single().Total.Count));
        }
    }

    private static SqlDsn Dsn(string text) =>
        SqlDsn.TryParse(text, out var dsn, out var error) ? dsn! : throw new InvalidOperationException(error);

    private static async Task CreateAsync(SqlDatabase database, string characters)
    {
        await ExecuteAsync(
            database,
            $"CREATE TABLE {Table} (id int NOT NULL AUTO_INCREMENT PRIMARY KEY, `key` VARCHAR(255) NOT NULL, `time` VARCHAR(255) NOT NULL, "
                + $"count bigint NOT NULL, count_rcpt bigint NOT NULL, size bigint NOT NULL, size_rcpt bigint NOT NULL, UNIQUE KEY "
                + $"time_key (`key`, `time`)) {characters}");
        await ExecuteAsync(database, $"CREATE TABLE spellings (id int PRIMARY KEY, `key` VARCHAR(255)) {characters}");
    }

    /// <summary>All pairs of many spellings, which the database compares as it does in its unique key.</summary>
    private async Task HoldsAsync(SqlDatabase database, CounterTableInfo info, string column, string without = "\0")
    {
        var seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        string[] keys =
        [
            .. s_pieces.Concat(Enumerable.Range(0, 300)
                .Select(_ => string.Concat(Enumerable.Range(0, random.Next(1, 4)).Select(_ => s_pieces[random.Next(s_pieces.Length)]))))
                .Where(key => !key.Contains(without, StringComparison.Ordinal) && CounterKeyText.Fit(key, 255, info.Repertoire) == key)
                .Distinct(StringComparer.Ordinal),
        ];
        await using var connection = await database.OpenAsync(Cancel);
        foreach (var (id, key) in keys.Index())
        {
            await using var insert = connection.CreateCommand();
            insert.CommandText = "INSERT INTO spellings VALUES (@id, @key)";
            insert.Bind("@id", id);
            insert.Bind("@key", key);
            await insert.ExecuteNonQueryAsync(Cancel);
        }

        var equal = new HashSet<(int, int)>();
        await using var command = connection.CreateCommand();
        command.CommandText = $"SELECT a.id, b.id FROM spellings AS a JOIN spellings AS b ON a.{column} = b.{column}";
        await using var reader = await command.ExecuteReaderAsync(Cancel);
        while (await reader.ReadAsync(Cancel))
        {
            equal.Add((
                Convert.ToInt32(reader.GetValue(0), CultureInfo.InvariantCulture),
                Convert.ToInt32(reader.GetValue(1), CultureInfo.InvariantCulture)));
        }

        var folded = Array.ConvertAll(keys, key => CounterKeyText.ForTable(key, info));
        for (var one = 0; one < keys.Length; one++)
        {
            Assert.Equal(folded[one], CounterKeyText.ForTable(folded[one], info));
            for (var other = 0; other < one; other++)
            {
                Assert.True(
                    equal.Contains((one, other)) == (folded[one] == folded[other]),
                    $"seed {seed}: {Escape(keys[one])} and {Escape(keys[other])} are folded to {Escape(folded[one])} and "
                        + $"{Escape(folded[other])}; equal in the database: {equal.Contains((one, other))}");
            }
        }
    }

    private static string Escape(string text) =>
        "\"" + string.Concat(text.EnumerateRunes().Select(static rune => rune.Value is > 0x20 and < 0x7f
            ? rune.ToString()
            : string.Create(CultureInfo.InvariantCulture, $"<{rune.Value:X4}>"))) + "\"";

    private static async Task ExecuteAsync(SqlDatabase database, string sql)
    {
        await using var connection = await database.OpenAsync(Cancel);
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await command.ExecuteNonQueryAsync(Cancel);
    }
}
