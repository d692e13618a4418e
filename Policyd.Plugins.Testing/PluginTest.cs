using System.Diagnostics.CodeAnalysis;
using Policyd.Configuration.Hocon;
using Policyd.Configuration.Options;
using Policyd.Configuration.Tree;
using Policyd.Plugins.Api;
using Policyd.Plugins.Sessions;
using Policyd.Protocol;

namespace Policyd.Plugins.Testing;

/// <summary>Makes a <see cref="PluginTest{T}"/>.</summary>
public static class PluginTest
{
    /// <summary>Makes a plugin as the server does: its options are bound and checked, and it is initialized.</summary>
    /// <typeparam name="T">The plugin.</typeparam>
    /// <param name="options">The options, as they stand in its section: <c>text = x, score = 2</c>.</param>
    /// <param name="clock">The time; null: the system's.</param>
    /// <param name="fakes">What stands for the server's parts; null: new ones, with an empty database <c>db</c>.</param>
    /// <exception cref="PluginOptionsException">The options do not fit, or the plugin has reported an error.</exception>
    public static PluginTest<T> For<T>(string options = "", TimeProvider? clock = null, PluginFakes? fakes = null)
        where T : Plugin, new() => new(options, clock ?? TimeProvider.System, fakes ?? new PluginFakes());
}

/// <summary>A plugin in a unit test. Requests with the same <c>instance</c> are one mail and share a session.</summary>
/// <typeparam name="T">The plugin.</typeparam>
[SuppressMessage("Reliability", "CA1001", Justification = "The log is in memory: nothing of it must end.")]
public sealed class PluginTest<T>
    where T : Plugin, new()
{
    private readonly Dictionary<string, Session> _sessions = new(StringComparer.Ordinal);
    private readonly CapturedLog _log = new();
    private readonly FakeHost _host;

    internal PluginTest(string options, TimeProvider clock, PluginFakes fakes)
    {
        Fakes = fakes;
        var document = HoconReader.Read($"plugin {{\n{options}\n}}", "options");
        _host = new FakeHost(clock, _log, document.Diagnostics, fakes);
        Plugin = new T { Name = Policyd.Plugins.Api.Plugin.ModuleNameOf(typeof(T)) };
        if (document.Root["plugin"] is ConfigObject section)
        {
            var fits = OptionBinder.Bind(
                Plugin,
                section,
                document.Diagnostics,
                new BindingOptions { Subject = $"plugin {Plugin.Name}", ConsumedElsewhere = ["name"] });
            if (fits)
            {
                Plugin.Initialize(new PluginSetup(Plugin, section, "test", _host));
            }
        }

        if (document.Diagnostics.HasErrors)
        {
            throw new PluginOptionsException(string.Join('\n', document.Diagnostics.All));
        }
    }

    /// <summary>The plugin.</summary>
    public T Plugin { get; }

    /// <summary>What stands for the server's parts.</summary>
    public PluginFakes Fakes { get; }

    /// <summary>What the plugin has logged so far, at every level, and the warnings of its start.</summary>
    public IReadOnlyList<string> Log => _log.Lines;

    /// <summary>Runs the plugin on a request.</summary>
    /// <param name="attributes">The request's attributes, such as <c>("sender", "a@example.org")</c>. Without <c>instance</c> all requests
    /// are of one mail.</param>
    /// <exception cref="TimeoutException">The plugin was not done within its <c>timeout</c>, 20 s if it has none.</exception>
    public Task<PluginOutcome> RunAsync(params (string Name, string Value)[] attributes) => RunAsync(RequestOf(attributes));

    /// <inheritdoc cref="RunAsync(ValueTuple{string, string}[])"/>
    /// <param name="request">The request.</param>
    public Task<PluginOutcome> RunAsync(PolicyRequest request) => RunAsync(request, isRehearsal: false);

    /// <summary>
    /// The same as a rehearsal, in which a plugin leaves its side effects out: with a copy of the mail's session, which is then dropped.
    /// </summary>
    /// <param name="attributes">The request's attributes.</param>
    public Task<PluginOutcome> RehearseAsync(params (string Name, string Value)[] attributes) =>
        RunAsync(RequestOf(attributes), isRehearsal: true);

    /// <summary>The session of a mail.</summary>
    /// <param name="instance">The <c>instance</c> of its requests.</param>
    public Session SessionOf(string instance = "1") =>
        _sessions.TryGetValue(instance, out var session) ? session : _sessions[instance] = new Session();

    /// <summary>Runs the plugin's periodic tasks.</summary>
    /// <param name="tasks">Those that are due, such as <c>daily</c>.</param>
    public async Task CronAsync(params string[] tasks) => await Plugin.CronAsync(
        new CronContext(tasks.ToHashSet(StringComparer.Ordinal), _host.Clock, _log, CancellationToken.None)).ConfigureAwait(false);

    private static PolicyRequest RequestOf((string Name, string Value)[] attributes)
    {
        ArgumentNullException.ThrowIfNull(attributes);
        var request = PolicyRequestBuilder.AccessPolicy();
        if (!Array.Exists(attributes, static one => one.Name == "instance"))
        {
            request.Add("instance", "1");
        }

        foreach (var (name, value) in attributes)
        {
            request.Add(name, value);
        }

        return request.ToRequest();
    }

    private async Task<PluginOutcome> RunAsync(PolicyRequest request, bool isRehearsal)
    {
        ArgumentNullException.ThrowIfNull(request);
        var session = SessionOf(request.Instance);
        var run = new TestRun(
            request, isRehearsal ? session.Restored(session.Snapshot()) : session, _host.Clock, _log, isRehearsal);
        var time = Plugin.Timeout > TimeSpan.Zero ? Plugin.Timeout : TimeSpan.FromSeconds(20);
        var deadline = _host.Clock.GetTimestamp() + (long)(time.TotalSeconds * _host.Clock.TimestampFrequency);
        var context = new PluginContext(run, Plugin, null, deadline);
        var result = await Plugin.RunAsync(context).AsTask().WaitAsync(time, _host.Clock).ConfigureAwait(false);
        context.Dispose();
        return new PluginOutcome(result, run.Notes, run.Session);
    }
}
