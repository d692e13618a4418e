namespace Policyd.Plugins.Counters;

/// <summary>Names one counter: the unit that has one owner in the whole cluster.</summary>
/// <param name="Connection">The configured name of the SQL connection (by default <c>db</c>).</param>
/// <param name="Table">The table: <c>table_prefix</c> + attribute.</param>
/// <param name="Key">The attribute's value, as the table can hold it.</param>
public readonly record struct CounterKey(string Connection, string Table, string Key);
