using System.ComponentModel;

namespace Policyd.Engine.Sessions;

/// <summary>
/// The options of <c>session_cache { }</c> whose module keeps sessions in a connection, besides the one that names it, such as
/// <c>redis</c>.
/// </summary>
public sealed class CacheSessionOptions
{
    /// <summary>How long a session lives after its last request.</summary>
    [Description("how long a session is kept after its last request")]
    public TimeSpan Expire { get; set; } = TimeSpan.FromSeconds(300);

    /// <summary>mtpolicyd's pause between two tries to lock a session. Accepted; the lock here is the instance's actor.</summary>
    [Description("accepted for compatibility with mtpolicyd, without effect; requests of one instance always wait for each other")]
    public int LockWait { get; set; } = 50;

    /// <summary>mtpolicyd's number of tries. Accepted, as <see cref="LockWait"/>.</summary>
    [Description("accepted for compatibility with mtpolicyd, without effect")]
    public int LockMaxRetry { get; set; } = 50;

    /// <summary>How long mtpolicyd's lock holds, in seconds. Accepted, as <see cref="LockWait"/>.</summary>
    [Description("accepted for compatibility with mtpolicyd, without effect")]
    public int LockTimeout { get; set; } = 10;
}
