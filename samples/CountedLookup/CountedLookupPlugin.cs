using System.ComponentModel;
using Policyd.Plugins.Api;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Services;

namespace CountedLookup;

/// <summary>
/// Lets each sender domain send as many mails a day as a database says: a lookup whose answer is kept in a cache for a while, and a counter
/// that is exact in the whole cluster.
/// </summary>
[Module("CountedLookup")]
[SideEffects("counts the mail")]
public sealed class CountedLookupPlugin : Plugin
{
    private SqlLookup _limits = null!;
    private PluginCache _kept = null!;
    private PluginCounter _mails = null!;

    /// <summary>The query.</summary>
    [Description("the query; its single ? is the sender's domain; the first column is the number of mails a day")]
    public string SqlQuery { get; set; } = "SELECT mails_a_day FROM domains WHERE name = ?";

    /// <summary>What counts where the query finds nothing.</summary>
    [Description("the number of mails a day for a domain that the query does not find; default: no limit")]
    public long? Otherwise { get; set; }

    /// <summary>The connection.</summary>
    [Description("the SQL connection")]
    public string Db { get; set; } = "db";

    /// <summary>The cache.</summary>
    [Description("where limits are kept: a Redis or Memcached connection, which all servers on it share, or memory")]
    public string Cache { get; set; } = "memory";

    /// <summary>How long it keeps.</summary>
    [Description("how long a limit is kept; a change in the database shows after this time")]
    public TimeSpan CacheTime { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>The answer.</summary>
    [Description("the action for a mail above the limit")]
    public ActionTemplate Action { get; set; } = new("defer your domain has sent its mails of today");

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup)
    {
        if (CacheTime <= TimeSpan.Zero)
        {
            setup.Error("cache_time", "must be more than 0");
        }

        _limits = setup.Query("sql_query", SqlQuery, values: 1, Db)!;
        _kept = setup.Cache("cache", Cache)!;
        _mails = setup.Counter("mails_of_domain", CounterWindowKind.Calendar("%Y-%m-%d"), Db, keep: TimeSpan.FromDays(60))!;
    }

    /// <inheritdoc/>
    public override async ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        var domain = context.Request.Sender.Split('@')[^1];
        if (domain.Length == 0)
        {
            return PluginResult.Continue;
        }

        var limit = await _kept.GetOrAddAsync(context, domain, CacheTime, _ => _limits.ScalarAsync<long?>(context, domain)) ?? Otherwise;
        var sent = await _mails.AddAsync(context, domain);
        Log(context, $"{domain}: {sent?.Count.ToString() ?? "unknown"} of {limit?.ToString() ?? "any number"}");

        // What is not known, since the database is away, stops no mail.
        return sent?.Count > limit ? PluginResult.Answer(Action.ToString()) : PluginResult.Continue;
    }
}
