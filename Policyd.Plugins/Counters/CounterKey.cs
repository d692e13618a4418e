namespace Policyd.Plugins.Counters;

/// <summary>Names one counter: the unit that has one owner in the whole cluster.</summary>
/// <param name="Connection">The configured name of the SQL connection (by default <c>db</c>).</param>
/// <param name="Table">The table: <c>table_prefix</c> + attribute.</param>
/// <param name="Key">The attribute's value, as the table can hold it.</param>
public readonly record struct CounterKey(string Connection, string Table, string Key)
{
    /// <summary>Of the key alone: tables are few, and three texts to hash are three times the cost, several times a request.</summary>
    public override int GetHashCode() => Key is null ? 0 : Key.GetHashCode(StringComparison.Ordinal) ^ (Table?.Length ?? 0);
}
