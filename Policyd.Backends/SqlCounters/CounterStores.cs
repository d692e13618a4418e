using Policyd.Backends.Sql;
using Policyd.Counting.Store;

namespace Policyd.Backends.SqlCounters;

/// <summary>Which counter store belongs to which database.</summary>
public static class CounterStores
{
    /// <summary>The counter tables of this database. The caller disposes the store, which leaves the database open.</summary>
    public static ICounterStore CreateCounterStore(this SqlDatabase database) => database switch
    {
        SqliteDatabase sqlite => new SqliteCounterStore(sqlite),
        PostgresDatabase postgres => new PostgresCounterStore(postgres),
        MySqlDatabase mySql => new MySqlCounterStore(mySql),
        _ => throw new ArgumentException($"{database?.GetType().Name ?? "nothing"} has no counter tables", nameof(database)),
    };
}
