namespace Policyd.Bench.Databases;

/// <summary>
/// Holds what a server has counted against what it was asked: every mail that was answered is in each counter table once. The
/// sums from before are taken off, such as the one request that waited for the start.
/// </summary>
public sealed class MailSums
{
    private readonly CountingDatabase _database;
    private readonly IReadOnlyDictionary<string, long> _before;
    private long _least;
    private long _most;

    private MailSums(CountingDatabase database, IReadOnlyDictionary<string, long> before) => (_database, _before) = (database, before);

    public static async Task<MailSums> StartAsync(CountingDatabase database, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(database);
        return new MailSums(database, await database.MailsAsync(cancellation).ConfigureAwait(false));
    }

    /// <summary>More mails were asked for. Of those that got no answer some may be counted.</summary>
    public void Add(long answered, long asked) => (_least, _most) = (_least + answered, _most + asked);

    /// <summary>Reads the tables again.</summary>
    public async Task<SumsResult> CheckAsync(CancellationToken cancellation)
    {
        var now = await _database.MailsAsync(cancellation).ConfigureAwait(false);
        var counted = now.ToDictionary(table => table.Key, table => table.Value - _before.GetValueOrDefault(table.Key));
        return new SumsResult(counted, _least, _most);
    }
}

/// <summary>What each counter table holds of a run.</summary>
/// <param name="Tables">Mails by table.</param>
/// <param name="Least">Mails that must be there.</param>
/// <param name="Most">Mails that may be there.</param>
public sealed record SumsResult(IReadOnlyDictionary<string, long> Tables, long Least, long Most)
{
    public bool IsExact => Tables.Count > 0 && Tables.Values.All(mails => mails >= Least && mails <= Most);

    public override string ToString()
    {
        if (Tables.Count == 0)
        {
            return "sums: there is no counter table";
        }

        var expected = Least == Most ? FormattableString.Invariant($"{Most:N0}") : FormattableString.Invariant($"{Least:N0} to {Most:N0}");
        var tables = Tables.OrderBy(table => table.Key, StringComparer.Ordinal).ToArray();
        return IsExact
            ? $"sums: exact ({expected} mails in {string.Join(", ", tables.Select(table => table.Key))})"
            : $"sums: {string.Join(", ", tables.Select(Difference))} of {expected} mails";
    }

    private string Difference(KeyValuePair<string, long> table)
    {
        var difference = table.Value < Least ? table.Value - Least : Math.Max(0, table.Value - Most);
        return FormattableString.Invariant($"{table.Key} {table.Value:N0} ({difference:+#,0;-#,0;exact})");
    }
}
