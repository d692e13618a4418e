using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using Policyd.Backends.Dns;
using Policyd.Configuration.Options;
using Policyd.Configuration.Values;
using Policyd.Engine.Clustering;
using Policyd.Engine.Logging;
using Policyd.Plugins.Api;
using Policyd.Plugins.Logging;

namespace Policyd.Engine.Model;

/// <summary>The options of <c>policyd { }</c>.</summary>
public sealed class ServerOptions
{
    // No timer of .NET can be set to more than 49 days; nobody waits for a day.
    private static readonly TimeSpan s_longestTimeout = TimeSpan.FromDays(1);

    /// <summary>How long Postfix waits by default: <c>smtpd_policy_service_timeout</c> of postconf(5).</summary>
    internal static readonly TimeSpan PostfixWaits = TimeSpan.FromSeconds(100);

    // Postfix sends up to 1,500 bytes, and more with long names: below this bound mail itself would be malformed. Beyond the other, a few
    // clients fill the memory, and one array cannot hold a request.
    private const long SmallestRequestBound = 4 * 1024;
    private const long LargestRequestBound = 1024 * 1024 * 1024;

    private TimeSpan _requestTimeout = TimeSpan.FromSeconds(20);

    /// <summary>Where the server listens.</summary>
    [Description("the addresses to listen on: HOST:PORT, [V6]:PORT, unix:/path")]
    public IReadOnlyList<string> Listen { get; set; } = ["127.0.0.1:12345"];

    /// <summary>The time for a request, from its last byte to its answer.</summary>
    [Description("the timeout of a request, from its last byte to its answer; 0: as long as Postfix waits by default, 100 s")]
    public TimeSpan RequestTimeout
    {
        get => _requestTimeout;

        // mtpolicyd takes 0 for no limit, which nobody needs beyond the time that Postfix waits.
        set => _requestTimeout = value == TimeSpan.Zero ? PostfixWaits : value;
    }

    /// <summary>When an idle connection is closed; zero: never.</summary>
    [Description("how long a connection may be idle before it is closed; 0: never closed, as Postfix expects")]
    public TimeSpan KeepaliveTimeout { get; set; }

    /// <summary>How many requests a connection may send; 0: any number.</summary>
    [Description("how many requests a connection may send; 0: no limit"), Range(0, int.MaxValue)]
    public int MaxKeepalive { get; set; }

    /// <summary>How many connections there may be.</summary>
    [Description("how many connections may be open at the same time"), Range(1, int.MaxValue)]
    public int MaxConnections { get; set; } = 16384;

    /// <summary>The largest request.</summary>
    [Description("the largest request; a larger one counts as malformed")]
    public ByteSize MaxRequestBytes { get; set; } = new(64 * 1024);

    /// <summary>Whether the request's <c>policy_context</c> names the virtual host.</summary>
    [Description("on: a request's policy_context selects the virtual host; if there is none of that name, the port selects it")]
    public bool VhostByPolicyContext { get; set; }

    /// <summary>The level of the log, 0 to 4.</summary>
    [Description("the log's level: 0 err, 1 warning, 2 notice, 3 info, 4 debug"), Range(0, 4)]
    public int LogLevel { get; set; } = 2;

    /// <summary>How the log's lines are written.</summary>
    [Description("the format of the log: text, or json (one object per line; a request's object has all its attributes)")]
    public LogFormat LogFormat { get; set; }

    /// <summary>The file that the log goes to; null: the standard output or the system's log.</summary>
    [Description("the log file")]
    public string? LogFile { get; set; }

    /// <summary>Whether the log goes to syslog, with facility mail.</summary>
    [Description("on: log to syslog (facility mail); without this and log_file the log goes to standard output")]
    public bool LogSyslog { get; set; }

    /// <summary>The file that the process id is written to.</summary>
    [Description("the file for the process id")]
    public string? PidFile { get; set; }

    /// <summary>The name under which the server logs.</summary>
    [Description("the program name in the log")]
    public string ProgramName { get; set; } = "policyd";

    /// <summary>The restriction classes of the operator's main.cf, so that an action may name them.</summary>
    [Description("the names of smtpd_restriction_classes in main.cf, which actions may use")]
    public IReadOnlyList<string> RestrictionClasses { get; set; } = [];

    /// <summary>The folders of third-party plugins.</summary>
    [Description("the folders of third-party plugins; each folder in one of these is a plugin with its own dependencies"), OptionList("")]
    public IReadOnlyList<string> PluginFolder { get; set; } = [];

    /// <summary>How long a plugin may take to start.</summary>
    [Description("how long a plugin may take to start; the server does not start with one that takes longer")]
    public TimeSpan PluginStartTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a plugin may take to end.</summary>
    [Description("how long a plugin may take to end, when the server stops or a reload drops it")]
    public TimeSpan PluginStopTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>What is answered on an error outside any plugin.</summary>
    [Description("what to do on an error outside any plugin: close the connection, or an action to return")]
    public OnError OnError { get; set; } = OnError.Fail;

    /// <summary>Where operators' commands are taken.</summary>
    [Description("the endpoint of the admin commands: listen, allow_remote")]
    public AdminOptions Admin { get; set; } = new();

    /// <summary>Where metrics and health are shown; null: nowhere.</summary>
    [Description("the HTTP endpoint of metrics and health: listen, hosts, allow_remote, token, tls; without this section there is none")]
    public HttpOptions? Http { get; set; }

    /// <summary>Where metrics and traces are sent; null: nowhere.</summary>
    [Description("the OpenTelemetry collector that metrics and traces are sent to: endpoint, interval, traces; without this section none")]
    public OtlpOptions? Otlp { get; set; }

    /// <summary>Where mails are kept that are answered while the database is away.</summary>
    [Description("the spool of mails that are answered while the counters' database is away: directory, max_size")]
    public SpoolOptions Spool { get; set; } = new();

    /// <summary>Where requests are kept to be replayed; null: nowhere.</summary>
    [Description("the recording of requests, for policyd replay: file, max_size, sample, mask")]
    public RecordOptions? Record { get; set; }

    /// <summary>Where decisions are kept to be searched; null: nowhere.</summary>
    [Description("the history of decisions, for policyd decisions: db, keep, what, facts; without this section none")]
    public DecisionOptions? Decisions { get; set; }

    /// <summary>What makes this server a node of a cluster; null: it counts alone.</summary>
    [Description(
        "the cluster that this server is a node of: listen, advertise, db, seeds, tls, allow_plaintext, failure_after, decide_after")]
    public ClusterOptions? Cluster { get; set; }

    /// <summary>How names are looked up.</summary>
    [Description("the DNS resolver: servers, timeout, retries, cache_size, failure_ttl, max_ttl")]
    public DnsOptions Dns { get; set; } = new();

    /// <summary>The level of the log.</summary>
    [NotAnOption]
    public PolicyLogLevel Level => (PolicyLogLevel)LogLevel;

    /// <summary>Says which bounds cannot be, and why.</summary>
    internal IEnumerable<(string Option, string Message)> Check()
    {
        const string Bounds = "must be more than 0 and at most 1 day";
        if (IsNoTimeout(RequestTimeout))
        {
            yield return ("request_timeout", Bounds);
        }

        if (IsNoTimeout(PluginStartTimeout))
        {
            yield return ("plugin_start_timeout", Bounds);
        }

        if (PluginStopTimeout > s_longestTimeout)
        {
            yield return ("plugin_stop_timeout", "must be at most 1 day");
        }

        if (MaxRequestBytes.Bytes is < SmallestRequestBound or > LargestRequestBound)
        {
            yield return ("max_request_bytes", "must be between 4KiB and 1GiB");
        }

        static bool IsNoTimeout(TimeSpan time) => time <= TimeSpan.Zero || time > s_longestTimeout;
    }
}
