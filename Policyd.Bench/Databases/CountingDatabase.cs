using System.Data.Common;
using System.Globalization;

namespace Policyd.Bench.Databases;

/// <summary>One database that a server counts in.</summary>
/// <param name="Options">The options of the connection in policyd's configuration.</param>
/// <param name="PerlOptions">The same in mtpolicyd's.</param>
/// <param name="Open">Makes a connection of its own for this program, not open yet.</param>
/// <param name="TableNames">A statement that lists the tables.</param>
public sealed record CountingDatabase(string Options, string PerlOptions, Func<DbConnection> Open, string TableNames)
{
    private const string Counters = "acct_";

    /// <summary>What the counter tables hold by now: for each the sum of the mails over all rows. None before the first is made.</summary>
    public async Task<IReadOnlyDictionary<string, long>> MailsAsync(CancellationToken cancellation)
    {
        using var connection = Open();
        await connection.OpenAsync(cancellation).ConfigureAwait(false);
        var tables = new List<string>();
        using (var names = connection.CreateCommand())
        {
            names.CommandText = TableNames;
            using var reader = await names.ExecuteReaderAsync(cancellation).ConfigureAwait(false);
            while (await reader.ReadAsync(cancellation).ConfigureAwait(false))
            {
                tables.Add(reader.GetString(0));
            }
        }

        var mails = new SortedDictionary<string, long>(StringComparer.Ordinal);
        foreach (var table in tables.Where(table => table.StartsWith(Counters, StringComparison.Ordinal)))
        {
            using var sum = connection.CreateCommand();
            sum.CommandText = $"SELECT SUM(count) FROM {table}";
            var value = await sum.ExecuteScalarAsync(cancellation).ConfigureAwait(false);
            mails[table] = value is null or DBNull ? 0 : Convert.ToInt64(value, CultureInfo.InvariantCulture);
        }

        return mails;
    }
}
