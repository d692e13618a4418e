using System.Data.Common;
using Policyd.Backends.Sql;
using Policyd.Plugins.Counters;

namespace Policyd.Backends.SqlCounters;

/// <summary>
/// A page of old commits that are no longer needed. The newest commit of a node stays longer than the others: whether it is in the database
/// decides, after a crash, whether what the node's spool says of it is to be written. Looked for and deleted in two statements, because
/// MySQL deletes from no table that the same statement asks.
/// </summary>
internal sealed class CommitsPurge
{
    private readonly Dictionary<string, (long First, long Last)> _ofNode = new(StringComparer.Ordinal);

    private CommitsPurge()
    {
    }

    /// <summary>The time of the page's last commit, with which the next page begins; null after the last page.</summary>
    public long? Last { get; private set; }

    /// <summary>Looks for a page.</summary>
    /// <param name="connection">The connection.</param>
    /// <param name="from">Where the page begins.</param>
    /// <param name="end">Commits before it are old.</param>
    /// <param name="spoolEnd">Before it also those that are the newest of their node.</param>
    /// <param name="size">How many commits, at most.</param>
    /// <param name="ct">Ends the call.</param>
    public static async Task<CommitsPurge> FindAsync(
        DbConnection connection, long from, long end, long spoolEnd, int size, CancellationToken ct)
    {
        using var command = connection.CreateCommand();
        command.CommandText =
            $"SELECT node, seq, at FROM {CounterTableName.Commits} c WHERE at >= @from AND at < @end AND (at < @spool OR EXISTS "
            + $"(SELECT 1 FROM {CounterTableName.Commits} n WHERE n.node = c.node AND n.seq > c.seq)) ORDER BY at LIMIT {size}";
        command.Bind("@from", from);
        command.Bind("@end", end);
        command.Bind("@spool", spoolEnd);
        var page = new CommitsPurge();
        var reader = await command.ExecuteReaderAsync(ct).ConfigureAwait(false);
        await using var _ = reader.ConfigureAwait(false);
        var rows = 0;
        while (await reader.ReadAsync(ct).ConfigureAwait(false))
        {
            page.Add(reader.GetString(0), reader.GetInt64(1));
            page.Last = ++rows == size ? reader.GetInt64(2) : null;
        }

        return page;
    }

    /// <summary>Deletes the page. What lies between its commits of a node is old as well, and has a newer one after it.</summary>
    public async Task<long> DeleteAsync(DbConnection connection, long end, CancellationToken ct)
    {
        var deleted = 0L;
        foreach (var (node, (first, last)) in _ofNode)
        {
            using var command = connection.CreateCommand();
            command.CommandText =
                $"DELETE FROM {CounterTableName.Commits} WHERE node = @node AND seq BETWEEN @first AND @last AND at < @end";
            command.Bind("@node", node);
            command.Bind("@first", first);
            command.Bind("@last", last);
            command.Bind("@end", end);
            deleted += await command.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
        }

        return deleted;
    }

    private void Add(string node, long sequence) =>
        _ofNode[node] = _ofNode.TryGetValue(node, out var range)
            ? (Math.Min(range.First, sequence), Math.Max(range.Last, sequence))
            : (sequence, sequence);
}
