namespace Policyd.Engine.Logging;

/// <summary>How a line of the log is written.</summary>
public enum LogFormat
{
    /// <summary>A text with <c>name=value</c> fields.</summary>
    Text,

    /// <summary>One JSON object a line (RFC 8259).</summary>
    Json,
}
