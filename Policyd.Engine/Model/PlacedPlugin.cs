using Policyd.Configuration.Tree;
using Policyd.Engine.Loading;
using Policyd.Plugins.Api;

namespace Policyd.Engine.Model;

// A plugin where it stands in the configuration: what is judged when all chains are there. The order is that of the file, a plugin before
// those nested in it.
internal sealed record PlacedPlugin(Plugin Plugin, ConfigObject Section, string VirtualHost, PlacedPlugin? Parent, int Order)
{
    public string Name => Plugin.Name;

    /// <summary>What it has asked for while it was initialized.</summary>
    public PluginNeeds Needs { get; set; } = new();

    /// <summary>One of a third party: what it does besides its options is not known.</summary>
    public bool IsForeign => !ModuleRegistry.IsOwn(Plugin);

    /// <summary>Whether it is turned off for all mail.</summary>
    public bool IsOff => Plugin.GetType().GetProperty("Enabled")?.GetValue(Plugin) is UserOption<bool> { Default: false, SessionKey: null };

    /// <summary>Whether both are elements of one chain.</summary>
    public bool IsBeside(PlacedPlugin other) => VirtualHost == other.VirtualHost && ReferenceEquals(Parent, other.Parent);

    /// <summary>Whether it stands somewhere in the chain of another.</summary>
    public bool IsWithin(PlacedPlugin other) => Parent is not null && (ReferenceEquals(Parent, other) || Parent.IsWithin(other));

    public void Warn(DiagnosticBag diagnostics, string option, string message) =>
        diagnostics.Warning(Section.PositionOf(option), $"plugin {Name}: {message}");
}
