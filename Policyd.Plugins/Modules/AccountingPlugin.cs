using System.ComponentModel;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Policyd.Plugins.Api;
using Policyd.Plugins.Chain;
using Policyd.Plugins.Counters;

namespace Policyd.Plugins.Modules;

/// <summary>
/// Counts each mail once for each of its attributes: mails, recipients, bytes. Never answers. At RCPT Postfix does not tell the number of
/// recipients: ask at END-OF-MESSAGE for exact figures.
/// </summary>
[Module("Accounting")]
public sealed class AccountingPlugin : Plugin
{
    // Postfix asks again at most some 200 s later; two hours leave room for any clock.
    private static readonly TimeSpan RequestIdsKept = TimeSpan.FromHours(2);

    private CounterOptions _options = null!;
    private ICounters _counters = null!;
    private ICounterStore? _store;

    /// <summary>Whether it counts.</summary>
    [Description("off: do not count")]
    public UserOption<bool> Enabled { get; set; } = new(true);

    /// <summary>The attributes.</summary>
    [Description("the attributes to count by; each has a table of its own")]
    public required IReadOnlyList<string> Fields { get; set; }

    /// <summary>The calendar window.</summary>
    [Description("the window as strftime of local time: %Y-%m counts by month, %Y-%m-%d by day")]
    public string TimePattern { get; set; } = "%Y-%m";

    /// <summary>The rolling window.</summary>
    [Description("count into a rolling window of this length instead, such as 1h")]
    public TimeSpan? Window { get; set; }

    /// <summary>The beginning of the tables' names.</summary>
    [Description("the beginning of the tables' names")]
    public string TablePrefix { get; set; } = "acct_";

    /// <summary>The key.</summary>
    [Description("the key to count under instead of the attribute's value, such as %{client_address/24/64}; fields then names the one table")]
    public KeyTemplate? Key { get; set; }

    /// <summary>The connection.</summary>
    [Description("the SQL connection")]
    public string Db { get; set; } = "db";

    /// <summary>How long windows are kept.</summary>
    [Description("windows older than this are deleted by the daily task; never unless given")]
    public TimeSpan? Keep { get; set; }

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup)
    {
        _options = new CounterOptions(Db, TablePrefix, Key, TimePattern, Window);
        _options.Check(setup, "fields", Fields);
        _counters = setup.Counters;
        _store = setup.CounterStore("db", Db);
        if (Key is not null && Fields.Count != 1)
        {
            setup.Error("fields", "with a key of its own the plugin counts into one table: name one field");
        }

        if (Keep is not null && Window is null && !SortsByTime(TimePattern))
        {
            setup.Error("keep", $"the windows of time_pattern \"{TimePattern}\" do not sort by time (begin with %Y, then %m, %d, %H), so the old ones cannot be told");
        }

        foreach (var field in Fields)
        {
            setup.UseCounterTable(Db, TablePrefix + field, writes: true);
        }
    }

    /// <inheritdoc/>
    public override async ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        if (!Enabled.For(context) || context.IsAlreadyDone(Name + "-acct"))
        {
            return PluginResult.Continue;
        }

        var window = _options.WindowOf(context);
        var amounts = CounterOptions.AmountsOf(context);
        var adds = new List<Task<CounterReading>>(Fields.Count);
        foreach (var field in Fields)
        {
            if (_options.KeyOf(context, field) is { } key)
            {
                adds.Add(_counters.AddAsync(key, window, amounts, context.Request.Instance, RequestId(context.Request.Instance, key), context.Cancellation).AsTask());
            }
        }

        // Side by side: each has an owner of its own, and they share commits.
        foreach (var reading in await Task.WhenAll(adds).ConfigureAwait(false))
        {
            if (reading.State != CounterState.Known && Logs(context))
            {
                Log(context, reading.State == CounterState.Deferred ? "counted, to be written when the database is back" : "not counted: the database is away");
            }
        }

        return PluginResult.Continue;
    }

    /// <inheritdoc/>
    public override async ValueTask CronAsync(CronContext cron)
    {
        if (_store is null)
        {
            return;
        }

        var now = cron.Clock.GetUtcNow();
        if (cron.Has("hourly"))
        {
            await _store.PurgeRequestIdsAsync(now - RequestIdsKept, cron.Cancellation).ConfigureAwait(false);
        }

        if (cron.Has("daily") && (Keep is not null || Window is not null))
        {
            foreach (var field in Fields)
            {
                var purged = await _store.PurgeWindowsAsync(TablePrefix + field, IsOld(cron.Clock), cron.Cancellation).ConfigureAwait(false);
                ChainLog.Write(cron.Logger, Microsoft.Extensions.Logging.LogLevel.Information, string.Create(CultureInfo.InvariantCulture, $"{Name}: {purged} old rows of {TablePrefix}{field} deleted"));
            }
        }
    }

    private static bool SortsByTime(string pattern)
    {
        string[] order = ["%Y", "%m", "%d", "%H", "%M"];
        var places = order.Select(one => pattern.IndexOf(one, StringComparison.Ordinal)).TakeWhile(place => place >= 0).ToArray();
        return places.Length > 0 && places[0] == 0 && places.SequenceEqual(places.Order()) && pattern.Count(letter => letter == '%') == places.Length;
    }

    /// <summary>Rows of other windows in the same table are not this plugin's to delete: their texts have another form.</summary>
    private Func<string, bool> IsOld(TimeProvider clock)
    {
        if (Window is { } span)
        {
            var first = CounterWindow.Sliding(span, clock.GetUtcNow()).Range.From;
            var prefix = first[..(first.IndexOf(':', StringComparison.Ordinal) + 1)];
            return time => time.StartsWith(prefix, StringComparison.Ordinal) && string.CompareOrdinal(time, first) < 0;
        }

        var oldest = CounterWindow.Calendar(TimePattern, clock.GetLocalNow() - Keep!.Value).Time;
        return time => time.Length == oldest.Length && char.IsAsciiDigit(time[0]) && string.CompareOrdinal(time, oldest) < 0;
    }

    /// <summary>The same for a request that Postfix sends again: the mail, who counts it, and where. None without an instance, which names the mail.</summary>
    private UInt128? RequestId(string instance, CounterKey key)
    {
        if (instance.Length == 0)
        {
            return null;
        }

        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes($"{instance}\0{Name}\0{key.Table}\0{key.Key}"), hash);
        return System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(hash);
    }
}
