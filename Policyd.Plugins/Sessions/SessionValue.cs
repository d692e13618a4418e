namespace Policyd.Plugins.Sessions;

/// <summary>A value of a session: plain text, or the JSON text of a number, boolean, array or object.</summary>
/// <param name="Text">The text.</param>
/// <param name="IsJson">Whether the text is JSON.</param>
public readonly record struct SessionValue(string Text, bool IsJson);
