namespace Policyd.Plugins.Api;

/// <summary>
/// An object that plugins share (<see cref="IPluginHost.Shared"/>) and that no option has made: a server that reads its configuration anew
/// goes on with it. Others are made anew, since they tell what the plugins of one configuration have declared.
/// </summary>
internal interface IOutlivesReload;
