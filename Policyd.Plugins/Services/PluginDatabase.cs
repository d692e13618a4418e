using System.Data.Common;
using Policyd.Plugins.Api;
using Policyd.Plugins.Sql;

namespace Policyd.Plugins.Services;

/// <summary>
/// A configured database, for work that is more than one statement: <see cref="SqlServices.Database"/> gives it. For one statement
/// <see cref="SqlLookup"/> is shorter, and <c>policyd check</c> has the database prepare it.
/// </summary>
public sealed class PluginDatabase
{
    private readonly Plugin _plugin;
    private readonly ISqlDatabase _database;

    internal PluginDatabase(Plugin plugin, ISqlDatabase database) => (_plugin, _database) = (plugin, database);

    /// <summary>The kind of database.</summary>
    public SqlProvider Provider => _database.Provider;

    /// <summary>What it connects to, for logs and errors: never with a password.</summary>
    public string Description => _database.Description;

    /// <summary>A name in the quotes of this database.</summary>
    /// <param name="name">The name of a table or column.</param>
    /// <exception cref="ArgumentException">The name is empty or holds a NUL.</exception>
    public string QuoteIdentifier(string name) => _database.QuoteIdentifier(name);

    /// <summary>
    /// Does work on a connection of the pool. It holds no thread that answers mail, on SQLite neither. The wait ends after the plugin's
    /// <c>timeout</c>, 5 s if it has none, and never later than at three quarters of the plugin's time. The connection is then closed under
    /// the work, which ends with an exception that nobody sees.
    /// </summary>
    /// <typeparam name="T">What comes of it.</typeparam>
    /// <param name="context">The request.</param>
    /// <param name="work">The work, on an open connection that is not to be disposed or kept. It waits for nothing but the
    /// database.</param>
    /// <param name="isRepeatable">Whether it may be done twice, such as a question: it is done again on another connection when the first
    /// one turns out to be dead.</param>
    /// <exception cref="SqlAwayException">The database cannot be reached, or did not answer in time.</exception>
    /// <exception cref="SqlRefusedException">The database refuses.</exception>
    public ValueTask<T> RunAsync<T>(PluginContext context, Func<DbConnection, Task<T>> work, bool isRepeatable = false)
    {
        ArgumentNullException.ThrowIfNull(context);
        return SqlDeadline.KeepAsync(_plugin, context, Description, ct => _database.RunAsync(work, isRepeatable, ct));
    }

    /// <summary>The same in a cron task: the wait ends after a minute.</summary>
    /// <typeparam name="T">What comes of it.</typeparam>
    /// <param name="cron">The tick.</param>
    /// <param name="work">The work.</param>
    /// <param name="isRepeatable">Whether it may be done twice.</param>
    /// <exception cref="SqlAwayException">The database cannot be reached, or did not answer in time.</exception>
    /// <exception cref="SqlRefusedException">The database refuses.</exception>
    public ValueTask<T> RunAsync<T>(CronContext cron, Func<DbConnection, Task<T>> work, bool isRepeatable = false)
    {
        ArgumentNullException.ThrowIfNull(cron);
        return SqlDeadline.KeepAsync(cron, Description, ct => _database.RunAsync(work, isRepeatable, ct));
    }
}
