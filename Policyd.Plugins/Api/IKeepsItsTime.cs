namespace Policyd.Plugins.Api;

/// <summary>
/// A plugin that promises to end before the time it has left is over, whatever it waits for. The chain awaits it as it is; the watch over
/// the others is a task, a promise and a state machine for each wait. A plugin that breaks the promise holds its request, and with it all
/// requests of the same mail, until Postfix gives up: bound every wait by a part of <see cref="PluginContext.Remaining"/>, as
/// <see cref="Sources.SourceTime"/> does. Whether it blocks a thread is watched all the same.
/// </summary>
public interface IKeepsItsTime;
