using System.Globalization;
using Policyd.Plugins.Api;
using Policyd.Plugins.Sql;

namespace Policyd.Plugins.Services;

/// <summary>
/// One statement of a plugin on a configured database, made by <see cref="SqlServices.Query"/>. Its values are always bound, never part of
/// the text. A call holds no thread that answers mail, on SQLite neither. It ends after the plugin's <c>timeout</c>, 5 s if it has none,
/// and never later than at three quarters of the plugin's time, so that the plugin can still answer. A dead connection of the pool is
/// replaced. While the database is known to be away, calls fail at once. What was asked, and whether there was an answer, is noted for
/// whoever asks why.
/// <para>
/// Every call throws a <see cref="SqlAwayException"/> when the database cannot be reached or does not answer in time, a
/// <see cref="SqlRefusedException"/> when it refuses the statement or a value, and an <see cref="ArgumentException"/> for another number of
/// values than the statement has. A plugin that does not catch them has failed, and its <c>on_error</c> decides.
/// </para>
/// </summary>
public sealed class SqlLookup
{
    /// <summary>The most rows that an answer has.</summary>
    public const int MostRows = 1000;

    private readonly Plugin _plugin;
    private readonly string _option;
    private readonly ISqlStatement _statement;

    internal SqlLookup(Plugin plugin, string option, ISqlStatement statement) =>
        (_plugin, _option, _statement) = (plugin, option, statement);

    /// <summary>What it asks, for logs: never with a password.</summary>
    public string Database => _statement.Database;

    /// <summary>
    /// The first column of the first row. A value that no row can hold, such as a text for a column of numbers, finds nothing.
    /// </summary>
    /// <typeparam name="T">What to read it as (<see cref="SqlRow.Get{T}(int)"/>); nullable, to tell nothing from zero.</typeparam>
    /// <param name="context">The request.</param>
    /// <param name="values">What the placeholders stand for, in their order.</param>
    /// <returns>The value; the default of <typeparamref name="T"/> when there is no row or the column is NULL.</returns>
    /// <exception cref="InvalidDataException">The value cannot be read as a <typeparamref name="T"/>, or holds more than
    /// <see cref="SqlRow.MostCharacters"/>.</exception>
    public async ValueTask<T?> ScalarAsync<T>(PluginContext context, params object?[] values)
    {
        var rows = await AskAsync(context, values, ct => _statement.RowsAsync(values, 1, 1, ct)).ConfigureAwait(false);
        Note(context, values, rows.Count > 0 ? "found" : "not found");
        return rows.Count > 0 && rows[0].Count > 0 ? rows[0].Get<T>(0) : default;
    }

    /// <summary>Whether there is a row, whatever it holds. A value that no row can hold finds none.</summary>
    /// <param name="context">The request.</param>
    /// <param name="values">What the placeholders stand for, in their order.</param>
    public async ValueTask<bool> AnyAsync(PluginContext context, params object?[] values)
    {
        var any = await AskAsync(context, values, ct => _statement.HasRowAsync(values, ct)).ConfigureAwait(false);
        Note(context, values, any ? "found" : "not found");
        return any;
    }

    /// <summary>All rows.</summary>
    /// <param name="context">The request.</param>
    /// <param name="values">What the placeholders stand for, in their order.</param>
    /// <exception cref="InvalidDataException">There are more than <see cref="MostRows"/>, or they hold more than
    /// <see cref="SqlRow.MostCharacters"/>.</exception>
    public async ValueTask<IReadOnlyList<SqlRow>> RowsAsync(PluginContext context, params object?[] values)
    {
        var rows = await AskAsync(context, values, ct => AllAsync(values, ct)).ConfigureAwait(false);
        if (context.TakesNotes)
        {
            Note(context, values, string.Create(CultureInfo.InvariantCulture, $"{rows.Count} rows"));
        }

        return rows;
    }

    /// <summary>
    /// Runs a statement that changes something. In a rehearsal it is not run, which is noted. It is not run twice, unless the database has
    /// said that it did nothing. One that ended with a <see cref="SqlAwayException"/> may have been run.
    /// </summary>
    /// <param name="context">The request.</param>
    /// <param name="values">What the placeholders stand for, in their order.</param>
    /// <returns>The number of rows that it has changed; 0 in a rehearsal.</returns>
    public async ValueTask<int> ExecuteAsync(PluginContext context, params object?[] values)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (context.IsRehearsal)
        {
            context.WouldHave($"run {_option} with {string.Join(", ", values)}");
            return 0;
        }

        var changed = await AskAsync(context, values, ct => _statement.ExecuteAsync(values, ct)).ConfigureAwait(false);
        if (context.TakesNotes)
        {
            Note(context, values, string.Create(CultureInfo.InvariantCulture, $"changed {changed} rows"));
        }

        return changed;
    }

    /// <summary>All rows, in a cron task: the wait ends after a minute.</summary>
    /// <param name="cron">The tick.</param>
    /// <param name="values">What the placeholders stand for, in their order.</param>
    /// <exception cref="InvalidDataException">There are more than <see cref="MostRows"/>, or they hold more than
    /// <see cref="SqlRow.MostCharacters"/>.</exception>
    public ValueTask<IReadOnlyList<SqlRow>> RowsAsync(CronContext cron, params object?[] values)
    {
        Check(values);
        return SqlDeadline.KeepAsync(cron, Database, ct => AllAsync(values, ct));
    }

    /// <summary>Runs a statement that changes something, in a cron task: the wait ends after a minute.</summary>
    /// <param name="cron">The tick.</param>
    /// <param name="values">What the placeholders stand for, in their order.</param>
    /// <returns>The number of rows that it has changed.</returns>
    public ValueTask<int> ExecuteAsync(CronContext cron, params object?[] values)
    {
        Check(values);
        return SqlDeadline.KeepAsync(cron, Database, ct => _statement.ExecuteAsync(values, ct));
    }

    private ValueTask<T> AskAsync<T>(PluginContext context, object?[] values, Func<CancellationToken, Task<T>> ask)
    {
        ArgumentNullException.ThrowIfNull(context);
        Check(values);
        return SqlDeadline.KeepAsync(_plugin, context, Database, ask);
    }

    private async Task<IReadOnlyList<SqlRow>> AllAsync(object?[] values, CancellationToken ct)
    {
        var rows = await _statement.RowsAsync(values, MostRows + 1, int.MaxValue, ct).ConfigureAwait(false);
        return rows.Count <= MostRows ? rows : throw new InvalidDataException($"the answer has more than {MostRows} rows");
    }

    private void Check(object?[] values)
    {
        ArgumentNullException.ThrowIfNull(values);
        if (values.Length != _statement.ParameterCount)
        {
            throw new ArgumentException(
                $"{_option} has {_statement.ParameterCount} placeholders, but {values.Length} values were given", nameof(values));
        }
    }

    private void Note(PluginContext context, object?[] values, string result)
    {
        if (context.TakesNotes)
        {
            context.Note(_option, string.Join(", ", values), Database, result);
        }
    }
}
