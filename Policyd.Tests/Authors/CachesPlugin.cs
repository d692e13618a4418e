using Policyd.Configuration.Options;
using Policyd.Plugins.Api;
using Policyd.Plugins.Services;

namespace Policyd.Tests.Authors;

/// <summary>A plugin with a cache that does what a test says.</summary>
[Module("Caches"), SideEffects]
public sealed class CachesPlugin : Plugin
{
    private PluginCache _cache = null!;

    public string? Cache { get; set; }

    [NotAnOption]
    public Func<PluginCache, PluginContext, ValueTask<string>> Script { get; set; } = static (_, _) => new("nothing");

    public override void Initialize(PluginSetup setup) => _cache = setup.Cache("cache", Cache)!;

    public override async ValueTask<PluginResult> RunAsync(PluginContext context) =>
        PluginResult.Answer($"reject {await Script(_cache, context)}");
}
