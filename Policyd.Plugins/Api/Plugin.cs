using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Reflection;
using Policyd.Configuration.Options;
using Policyd.Plugins.Logging;
using Policyd.Plugins.Threads;

namespace Policyd.Plugins.Api;

/// <summary>
/// What an author writes: a class with its options as public settable properties and <see cref="RunAsync"/>. One object serves
/// all requests, many at a time: keep no state of a request in it; that is what <see cref="PluginContext.Session"/> is for.
/// </summary>
public abstract class Plugin
{
    private bool? _isRehearsable;
    private OwnThreads? _threads;
    private IReadOnlyList<IDisposable> _owned = [];

    /// <summary>The name of the plugin's section.</summary>
    [NotAnOption]
    public string Name { get; set; } = "";

    /// <summary>The level (0 to 4) at which what the plugin logs appears.</summary>
    [Description("the level (0 err, 1 warning, 2 notice, 3 info, 4 debug) at which the plugin's messages are logged"), Range(0, 4)]
    public int LogLevel { get; set; } = 4;

    /// <summary>What happens when the plugin fails.</summary>
    [Description("what to do when the plugin fails: fail (close the connection without an answer), continue, or an action to return")]
    public OnError OnError { get; set; } = OnError.Fail;

    /// <summary>How long the plugin may take; zero: what is left of the request's time.</summary>
    [Description("the plugin fails when it takes longer than this; 0: the time left of request_timeout")]
    public TimeSpan Timeout { get; set; }

    /// <summary>Whether it is only observed.</summary>
    [Description("on: run the plugin without side effects and only log what it would return; the chain goes on")]
    public bool Observe { get; set; }

    /// <summary>Whether the module has declared its side effects, so that it may run in a rehearsal.</summary>
    internal bool IsRehearsable => _isRehearsable ??= GetType().IsDefined(typeof(SideEffectsAttribute), inherit: false);

    // The action last found to fit the grammar: nearly every plugin answers the same text again and again.
    internal string? LastFitting { get; set; }

    /// <summary>
    /// What keeps its code from holding the threads that answer requests; null for a module of the server, whose code never blocks.
    /// </summary>
    internal PluginGuard? Guard { get; set; }

    /// <summary>The threads for its code that blocks.</summary>
    internal OwnThreads Threads => LazyInitializer.EnsureInitialized(ref _threads, () => new OwnThreads(Name));

    /// <summary>What the server made for the plugin alone, and ends with it.</summary>
    internal IReadOnlyList<IDisposable> Owned => _owned;

    // The last run of its periodic work, which may still go on.
    internal Task? CronRun { get; set; }

    /// <summary>The module's name of this plugin.</summary>
    internal string Module => field ??= ModuleNameOf(GetType());

    /// <summary>The module's name: of <see cref="ModuleAttribute"/>, else the class's name without <c>Plugin</c>.</summary>
    /// <param name="type">The plugin's class.</param>
    public static string ModuleNameOf(Type type) =>
        type.GetCustomAttribute<ModuleAttribute>()?.Name
        ?? (type.Name.Length > 6 && type.Name.EndsWith("Plugin", StringComparison.Ordinal) ? type.Name[..^6] : type.Name);

    /// <summary>Called once, after the options are set and before the first request. Report what is wrong with them here.</summary>
    /// <param name="setup">Connections, clock, and where to report errors.</param>
    public virtual void Initialize(PluginSetup setup)
    {
    }

    /// <summary>
    /// Called once before the first request of a server that serves: at its start, and at a reload that brings the plugin. Open here what
    /// must be there before mail comes. When it throws, or takes longer than <c>plugin_start_timeout</c>, the server does not start, or
    /// goes on with the configuration before the reload. A plugin that must also end something implements <see cref="IAsyncDisposable"/> or
    /// <see cref="IDisposable"/>: it is called once no request runs through the plugin any more. <c>policyd replay</c> does not run plugins
    /// that override this.
    /// </summary>
    /// <param name="cancellation">Cancelled when its time is over, and when the server is stopped meanwhile.</param>
    public virtual ValueTask StartAsync(CancellationToken cancellation) => ValueTask.CompletedTask;

    /// <summary>Looks at a request. Completing at once costs nothing; an exception is handled as <see cref="OnError"/> says.</summary>
    /// <param name="context">The request, its session and helpers. Not to be kept beyond the returned task.</param>
    public abstract ValueTask<PluginResult> RunAsync(PluginContext context);

    /// <summary>
    /// Called at the ticks of the server's scheduler, for housekeeping. It is given up when it takes longer than <c>cron { timeout }</c>;
    /// while it runs on, its further ticks are skipped.
    /// </summary>
    /// <param name="cron">The tasks asked for, clock and log.</param>
    public virtual ValueTask CronAsync(CronContext cron) => ValueTask.CompletedTask;

    /// <summary>Has something end with the plugin. For its initialization, which is one thread.</summary>
    internal void Own(IDisposable part) => _owned = [.. _owned, part];

    /// <summary>Logs a message at the plugin's <see cref="LogLevel"/>.</summary>
    /// <param name="context">The request that the message is about.</param>
    /// <param name="message">The message; control characters in it are escaped.</param>
    protected void Log(PluginContext context, string message) => context.Log((PolicyLogLevel)LogLevel, this, message);

    /// <summary>Whether <see cref="Log"/> would print anything: ask before making an expensive message.</summary>
    /// <param name="context">The request.</param>
    protected bool Logs(PluginContext context) => context.Run.Logger.IsEnabled(((PolicyLogLevel)LogLevel).ToLogLevel());
}
