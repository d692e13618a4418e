namespace Policyd.Counting.Spool;

/// <summary>
/// The spool takes nothing: it is full, its disk is full or read-only, or its folder has gone. Nothing of the group counts as written. The
/// message is for operators.
/// </summary>
/// <param name="message">What is wrong, with the place.</param>
/// <param name="inner">The system's exception.</param>
internal sealed class SpoolException(string message, Exception? inner = null) : Exception(message, inner);
