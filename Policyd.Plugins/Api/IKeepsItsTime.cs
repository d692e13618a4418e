namespace Policyd.Plugins.Api;

/// <summary>
/// A plugin that promises to end before the time it has left is over, whatever it waits for. The chain awaits it as it is; the watch over
/// the others is a task, a promise and a state machine for each. Only for the server's own: a plugin of anybody else is watched.
/// </summary>
internal interface IKeepsItsTime;
