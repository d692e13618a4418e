namespace Policyd.Plugins.Api;

/// <summary>
/// An object that plugins share (<see cref="PluginSetup.Shared{T}"/>) and that no option has made: a server that reads its configuration
/// anew goes on with it. Others are made anew, since they tell what the plugins of one configuration have declared.
/// </summary>
public interface IOutlivesReload;
