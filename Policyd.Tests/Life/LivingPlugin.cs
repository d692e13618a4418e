using System.Collections.Concurrent;
using Policyd.Plugins.Api;

namespace Policyd.Tests.Life;

/// <summary>A plugin of a third party whose life a test writes.</summary>
[Module("Living")]
public sealed class LivingPlugin : Plugin, IAsyncDisposable
{
    private static readonly ConcurrentDictionary<string, Script> s_scripts = new();

    /// <summary>Which life.</summary>
    public required string Life { get; set; }

    /// <summary>Anything, so that two configurations may differ.</summary>
    public string Variant { get; set; } = "";

    /// <summary>The section of a plugin with that life.</summary>
    internal static string Section(Script script, string name = "living", string options = "")
    {
        var id = Guid.NewGuid().ToString("N");
        s_scripts[id] = script;
        return $"{{ name = {name}, module = Living, life = \"{id}\", {options} }}";
    }

    /// <inheritdoc/>
    public override ValueTask StartAsync(CancellationToken cancellation) => s_scripts[Life].Start(cancellation);

    /// <inheritdoc/>
    public override ValueTask<PluginResult> RunAsync(PluginContext context) => new(PluginResult.Answer("reject living"));

    /// <inheritdoc/>
    public override ValueTask CronAsync(CronContext cron) => s_scripts[Life].Cron(cron);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => s_scripts[Life].End();

    /// <summary>What it does, each at its time; nothing unless given.</summary>
    internal sealed class Script
    {
        public Func<CancellationToken, ValueTask> Start { get; init; } = static _ => ValueTask.CompletedTask;

        public Func<CronContext, ValueTask> Cron { get; init; } = static _ => ValueTask.CompletedTask;

        public Func<ValueTask> End { get; init; } = static () => ValueTask.CompletedTask;
    }
}
