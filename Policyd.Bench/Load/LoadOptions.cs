using System.Net;

namespace Policyd.Bench.Load;

/// <summary>How the next key is chosen.</summary>
public enum KeyOrder
{
    Uniform,
    RoundRobin,
}

/// <summary>
/// What one run of the load generator does. It ends after <see cref="Duration"/> or <see cref="Requests"/>, whichever comes first.
/// </summary>
public sealed record LoadOptions
{
    public required EndPoint Endpoint { get; init; }

    public int Connections { get; init; } = 64;

    /// <summary>
    /// Requests a second, sent when they are due whether or not the others are answered; null sends the next with each answer.
    /// </summary>
    public double? Rate { get; init; }

    public TimeSpan? Duration { get; init; }

    public long? Requests { get; init; }

    /// <summary>
    /// Load before the measurement begins, not counted: the just-in-time compiler of the server needs some thousand requests.
    /// </summary>
    public TimeSpan Warmup { get; init; }

    /// <summary>Number of distinct clients (client_address, sasl_username), at most <see cref="RequestTemplate.MaxKeys"/>.</summary>
    public int Keys { get; init; } = 1000;

    /// <summary>The clients themselves; null takes the first <see cref="Keys"/>.</summary>
    public IReadOnlyList<int>? ChosenKeys { get; init; }

    public KeyOrder KeyOrder { get; init; } = KeyOrder.Uniform;

    /// <summary>Where <see cref="KeyOrder.RoundRobin"/> begins.</summary>
    public long FirstKey { get; init; }

    public int Seed { get; init; } = 1;

    /// <summary>Requests that share an instance before the connection begins a new mail.</summary>
    public int RecipientsPerInstance { get; init; } = 1;

    public IReadOnlyList<KeyValuePair<string, string>> Attributes { get; init; } = [];

    /// <summary>What every action has to begin with; null takes any well-formed answer.</summary>
    public string? Expect { get; init; }

    /// <summary>How long one answer may take; after it the connection is closed and opened again.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>A process of this machine whose memory is sampled during the run, and whose processor time is taken.</summary>
    public int? ServerPid { get; init; }

    /// <summary>How often the state of the run is told.</summary>
    public TimeSpan ProgressInterval { get; init; } = TimeSpan.FromSeconds(1);
}
