using System.Collections.Concurrent;
using Policyd.Plugins.Api;

namespace Policyd.Tests.Actors;

/// <summary>A plugin whose work is a delegate of the test, found by the name that the test's configuration gives.</summary>
public sealed class ScriptPlugin : Plugin
{
    private static readonly ConcurrentDictionary<string, Func<PluginContext, ValueTask<PluginResult>>> Scripts = new();

    public required string Script { get; set; }

    public static string Register(Func<PluginContext, ValueTask<PluginResult>> script)
    {
        var name = Guid.NewGuid().ToString("N");
        Scripts[name] = script;
        return name;
    }

    public override ValueTask<PluginResult> RunAsync(PluginContext context) => Scripts[Script](context);
}
