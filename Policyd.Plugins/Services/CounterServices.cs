using Policyd.Plugins.Api;
using Policyd.Plugins.Counters;

namespace Policyd.Plugins.Services;

/// <summary>How a plugin gets a counter of its own, in <see cref="Plugin.Initialize"/>.</summary>
public static class CounterServices
{
    /// <summary>
    /// Declares a table of counters. The server makes it, writes it in group commits, shows it by <c>policyd counter</c> and deletes its
    /// old rows. An error at the option's place when the connection is not there, or the table, window or time cannot be.
    /// </summary>
    /// <param name="setup">The plugin's.</param>
    /// <param name="table">The table. One that another plugin counts in as well is shared with it.</param>
    /// <param name="window">What it counts by.</param>
    /// <param name="connection">The name of the SQL connection.</param>
    /// <param name="connectionOption">The option that names the connection.</param>
    /// <param name="keep">The daily task deletes calendar windows that ended longer ago than this; null: never. Rows of rolling windows go
    /// by themselves.</param>
    /// <returns>The counter; null after an error, with which the server does not start.</returns>
    public static PluginCounter? Counter(
        this PluginSetup setup,
        string table,
        CounterWindowKind window,
        string connection,
        string connectionOption = "db",
        TimeSpan? keep = null)
    {
        ArgumentNullException.ThrowIfNull(setup);
        ArgumentNullException.ThrowIfNull(window);
        WindowRetention? retention = null;
        var wrong = CounterTableName.Check(table) ?? window.Check();
        if (wrong is null && keep is { } time)
        {
            WindowRetention.TryCreate(window, time, out retention, out wrong);
        }

        if (wrong is not null)
        {
            setup.Error(setup.Section.Position, $"the counter {table}: {wrong}");
        }

        if (setup.SqlDatabase(connectionOption, connection) is null || wrong is not null)
        {
            return null;
        }

        var declared = setup.UseCounterTable(connection, table, writes: !setup.Plugin.Observe);
        if (!setup.Plugin.Observe)
        {
            declared.Counts(window, retention);
        }

        return new PluginCounter(setup.Plugin, setup.Counters, declared, window);
    }
}
