using Policyd.Actors.Counters;
using Policyd.Actors.Server;
using Policyd.Configuration.Options;
using Policyd.Configuration.Values;
using Policyd.Counting.Store;
using Policyd.Engine.Model;
using Policyd.Plugins.Counters;

namespace Policyd.Server.Admin.Counters;

/// <summary>
/// What the counter commands have in common: which table and window an operator means, the quotas on them, and the counters of the
/// running server.
/// </summary>
internal sealed class CounterAdmin(IPolicyServerHandle server)
{
    private static readonly TimeSpan s_deferred = TimeSpan.FromSeconds(2);

    private volatile Known? _known;

    // Of the configuration of now; two who ask at once may both make them.
    private IReadOnlyList<CounterTableEntry> Tables
    {
        get
        {
            var (model, known) = (server.Model, _known);
            if (known?.Model != model)
            {
                _known = known = new Known(model, CounterCatalog.Of(model));
            }

            return known.Tables;
        }
    }

    /// <exception cref="AdminException">The server is still starting.</exception>
    public Task<CounterOperations> CountersAsync() => server.PartAsync(static server => server.Counters);

    public ICounterStore Store(string connection) => server.Model.CounterStores[connection];

    /// <summary>The table of a name, or of an attribute that plugins count by.</summary>
    /// <exception cref="AdminException">There is none, or several connections have one.</exception>
    public CounterTableEntry Table(string name, string? connection)
    {
        var tables = Tables;
        if (tables.Count == 0)
        {
            throw new AdminException(AdminError.NotFound, "no plugin in this server's configuration counts, so there is no counter table");
        }

        var found = tables.Where(table => table.Table == name).ToList();
        if (found.Count == 0)
        {
            found = [.. tables.Where(table => table.Attributes.Contains(name))];
        }

        if (found.Count == 0)
        {
            var known = tables.SelectMany(table => table.Attributes.Append(table.Table)).Distinct();
            var hint = OptionNames.DidYouMean(name, known);
            throw new AdminException(
                AdminError.NotFound,
                $"there is no counter table \"{name}\"{(hint.Length > 0 ? hint : ".")} Known tables: {Names(tables)}");
        }

        var chosen = connection is null ? found : [.. found.Where(table => table.Connection == connection)];
        return chosen switch
        {
            [var one] => one,
            [] => throw new AdminException(AdminError.NotFound, NotThere(connection!, name, found, tables)),
            _ => throw new AdminException(
                AdminError.Ambiguous,
                $"\"{name}\" is ambiguous: {Names(chosen)}; give the name of the table, and its connection with --db"),
        };
    }

    /// <summary>
    /// The windows that an operator means: all that are counted at present when he names none, the present one of a kind when he names the
    /// kind as it is configured, else the calendar window of that very text.
    /// </summary>
    /// <exception cref="AdminException">There is none such.</exception>
    public IReadOnlyList<ChosenWindow> Windows(CounterTableEntry table, string? window)
    {
        var now = server.Model.Chains.Clock.GetLocalNow();
        if (window is null)
        {
            return table.Windows.Count > 0
                ? [.. table.Windows.Select(kind => new ChosenWindow(kind, kind.At(now)))]
                : throw new AdminException(AdminError.Ambiguous, $"the windows of {table.Table} are unknown; name one with --window");
        }

        if (table.Windows.FirstOrDefault(kind => kind.Name == window || IsLength(kind, window)) is { } named)
        {
            return [new ChosenWindow(named, named.At(now))];
        }

        if (WindowAge.BucketExpiry(window) is not null)
        {
            throw new AdminException(
                AdminError.BadRequest, $"{window} is one part of a rolling window; name a rolling window by its length{Kinds(table)}");
        }

        // A window of the past, or one that a plugin of another server counts. Nobody's pattern has written it: a slip of the pen.
        var kinds = table.Windows.Where(kind => kind.Pattern is not null).ToList();
        var wrote = kinds.FirstOrDefault(kind => kind.CanBe(window) == true) ?? kinds.FirstOrDefault(kind => kind.CanBe(window) is null);
        return wrote is not null || table.Windows.Count == 0
            ? [new ChosenWindow(wrote, new CounterWindow(window))]
            : throw new AdminException(AdminError.NotFound, $"\"{window}\" is not a window of {table.Table}{Kinds(table)}");
    }

    /// <summary>The one window that an operator means.</summary>
    /// <exception cref="AdminException">There is none such, or several.</exception>
    public ChosenWindow Window(CounterTableEntry table, string? window) => Windows(table, window) switch
    {
        [var one] => one,
        _ => throw new AdminException(AdminError.Ambiguous, $"{table.Table} has several windows; name one with --window{Kinds(table)}"),
    };

    /// <summary>The quotas on a window, as they are configured.</summary>
    public static IReadOnlyList<QuotaReport> Quotas(CounterTableEntry table, ChosenWindow window) =>
        [.. On(table, window).Select(QuotaReport.Of)];

    /// <summary>The quotas on a window, and how much of each a key has used.</summary>
    public static IReadOnlyList<QuotaReport> Quotas(CounterTableEntry table, ChosenWindow window, string key, CounterAmounts total) =>
        [.. On(table, window).Select(quota => QuotaReport.Of(quota, new CounterKey(table.Connection, table.Table, key), total))];

    public static AdminException Away(string connection, string consequence, CounterReason reason = CounterReason.Database) =>
        new(AdminError.Unavailable, reason switch
        {
            CounterReason.Owner => $"the owner of the counter does not answer in time{consequence}",
            CounterReason.Quorum => $"this node is cut off from most of its cluster{consequence}",
            CounterReason.Spool => $"the database of connection {connection} is unavailable and the spool takes nothing{consequence}",
            _ => $"the database of connection {connection} is unavailable{consequence}",
        });

    /// <summary>What of this node waits for the database; null when nothing does.</summary>
    public async Task<DeferredReport?> DeferredAsync(string connection) =>
        await (await CountersAsync()).DeferredAsync(connection, s_deferred) is { Mails: > 0 } deferred
            ? new DeferredReport(deferred.Mails, deferred.Spooled, deferred.Reason)
            : null;

    private static IEnumerable<CounterQuota> On(CounterTableEntry table, ChosenWindow window) =>
        table.Quotas.Where(quota => quota.Window == window.Kind);

    private static bool IsLength(CounterWindowKind kind, string window) =>
        kind.Length is { } length
            && DurationText.TryParse(window, out var asked, out _)
            && asked == length
            && !char.IsAsciiDigit(window[^1]);

    private static string Kinds(CounterTableEntry table) =>
        table.Windows.Count == 0 ? "" : $"; available: {string.Join(", ", table.Windows.Select(kind => kind.Name))}";

    // The connection may be misspelt, or have other tables than the one that is asked for.
    private static string NotThere(
        string connection, string name, IReadOnlyList<CounterTableEntry> found, IReadOnlyList<CounterTableEntry> tables)
    {
        var known = tables.Select(table => table.Connection).Distinct().ToList();
        if (!known.Contains(connection))
        {
            var hint = OptionNames.DidYouMean(connection, known);
            return $"--db: nothing is counted in a connection \"{connection}\"{(hint.Length > 0 ? hint : ";")} connections with counters: "
                + string.Join(", ", known);
        }

        return $"--db: the connection \"{connection}\" has no counter table \"{name}\"; it is in "
            + string.Join(", ", found.Select(table => table.Connection).Distinct());
    }

    private static string Names(IReadOnlyList<CounterTableEntry> tables)
    {
        var several = tables.Select(table => table.Connection).Distinct().Count() > 1;
        return string.Join(", ", tables.Select(table => several ? $"{table.Table} (--db {table.Connection})" : table.Table));
    }

    private sealed record Known(PolicyServerModel Model, IReadOnlyList<CounterTableEntry> Tables);
}

/// <summary>A window that an operator means.</summary>
/// <param name="Kind">The kind it is of; null when no plugin of this server counts it.</param>
/// <param name="Window">The window.</param>
internal sealed record ChosenWindow(CounterWindowKind? Kind, CounterWindow Window)
{
    public WindowReport Report =>
        new(Window.Rolling is null ? Window.Time : Kind!.Name, Kind?.Pattern, Kind?.Length is null ? null : Kind.Name);
}
