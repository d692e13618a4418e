using System.ComponentModel;
using Policyd.Configuration.Values;

namespace Policyd.Engine.Sessions;

/// <summary>The options of <c>session_cache { module = Memory }</c>.</summary>
public sealed class MemorySessionOptions
{
    /// <summary>How long a session lives after its last request.</summary>
    [Description("how long a session is kept after its last request")]
    public TimeSpan Expire { get; set; } = TimeSpan.FromSeconds(300);

    /// <summary>The most memory for sessions.</summary>
    [Description("the memory limit for all sessions")]
    public ByteSize MaxBytes { get; set; } = new(64L * 1024 * 1024);

    internal MemorySessionStore ToStore(TimeProvider clock) => new(Math.Max(1, MaxBytes.Bytes), Expire, clock);
}
