namespace Policyd.Plugins.Expiring;

/// <summary>Where an <see cref="IAutoWhitelist"/> is.</summary>
/// <param name="Module">The module of its connection; letter case does not matter.</param>
/// <param name="Connection">The connection's name.</param>
/// <param name="Table">The table in a database.</param>
/// <param name="Prefix">What begins each key in a cache.</param>
public sealed record AutoWhitelistPlace(string Module, string Connection, string Table = "autowl", string Prefix = "awl-");
