using System.Collections.Concurrent;
using System.Globalization;
using Policyd.Plugins.Sql;

namespace Policyd.Plugins.Testing;

/// <summary>
/// Databases that answer what a test says. Statements of <c>setup.Query</c> only: work on a connection of <c>setup.Database</c> needs a
/// database, and fails here.
/// </summary>
public sealed class FakeSql
{
    private readonly ConcurrentDictionary<string, Func<object?[], IEnumerable<object?[]>>> _answers = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<string> _asked = new();

    /// <summary>Whether every statement fails with a <see cref="SqlAwayException"/>.</summary>
    public bool IsAway { get; set; }

    /// <summary>What was asked, in its order: the option, a colon and the values.</summary>
    public IReadOnlyList<string> Asked => [.. _asked];

    /// <summary>
    /// Says what the statement of an option answers: rows, each with its columns. A change answers a row for each it changes.
    /// </summary>
    /// <param name="option">The option that the statement is of.</param>
    /// <param name="rows">From the values to the rows; the columns are called <c>column1</c> and so on.</param>
    public void Answer(string option, Func<object?[], IEnumerable<object?[]>> rows) => _answers[option] = rows;

    internal List<SqlRow> Rows(string option, object?[] values)
    {
        _asked.Enqueue($"{option}: {string.Join(", ", values)}");
        if (IsAway)
        {
            throw new SqlAwayException("the test's database is away");
        }

        var rows = _answers.TryGetValue(option, out var answer) ? answer(values) : [];
        return [.. rows.Select(static row => new SqlRow([.. row.Select(static (_, index) => Name(index))], row))];
    }

    private static string Name(int index) => string.Create(CultureInfo.InvariantCulture, $"column{index + 1}");
}

/// <summary>A statement on it.</summary>
internal sealed class FakeStatement(FakeSql sql, string option, string text) : ISqlStatement
{
    // As the server counts them, but for question marks within quotes.
    public int ParameterCount { get; } = text.Count(static letter => letter == '?');

    public string Database => "the test's database";

    public Task<bool> HasRowAsync(object?[] values, CancellationToken ct) => Answer(() => sql.Rows(option, values).Count > 0);

    public Task<IReadOnlyList<SqlRow>> RowsAsync(object?[] values, int mostRows, int mostColumns, CancellationToken ct) =>
        Answer<IReadOnlyList<SqlRow>>(() => [.. sql.Rows(option, values).Take(mostRows)]);

    public Task<int> ExecuteAsync(object?[] values, CancellationToken ct) => Answer(() => sql.Rows(option, values).Count);

    private static Task<T> Answer<T>(Func<T> answer)
    {
        try
        {
            return Task.FromResult(answer());
        }
        catch (Exception e)
        {
            return Task.FromException<T>(e);
        }
    }
}
