namespace Policyd.Plugins.Counters;

/// <summary>The counter tables of one connection, for the periodic tasks of plugins.</summary>
public interface ICounterHousekeeping
{
    /// <summary>Makes the table, or makes an existing one ready for use. Safe to call again, and by two nodes at once.</summary>
    /// <param name="table">The table.</param>
    /// <param name="ct">Ends the call.</param>
    Task EnsureTableAsync(string table, CancellationToken ct);

    /// <summary>
    /// Deletes the rows of old windows in many small transactions, so that commits go on meanwhile. Answers how many.
    /// </summary>
    /// <param name="table">The table.</param>
    /// <param name="isOld">Says whether the window of that text is to go; asked once for each distinct text in a page of rows.</param>
    /// <param name="ct">Stops between two transactions.</param>
    Task<long> PurgeWindowsAsync(string table, Func<string, bool> isOld, CancellationToken ct);

    /// <summary>
    /// Deletes the request ids of commits made before a time, in small transactions. Answers how many commits. The newest commit of each
    /// server stays for 30 days more: it tells what of an outage is written.
    /// </summary>
    /// <param name="before">The time.</param>
    /// <param name="ct">Stops between two transactions.</param>
    Task<long> PurgeRequestIdsAsync(DateTimeOffset before, CancellationToken ct);
}
