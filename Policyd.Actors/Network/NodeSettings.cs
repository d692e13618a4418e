using System.Globalization;
using Akka.Actor;
using Akka.Configuration;
using Policyd.Engine.Clustering;

namespace Policyd.Actors.Network;

/// <summary>
/// Akka's settings for the options of <c>policyd { cluster { } }</c>. No seed nodes: the server joins by itself, so that it serves mails
/// meanwhile.
/// </summary>
internal static class NodeSettings
{
    private static readonly TimeSpan s_shortestBeat = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan s_longestBeat = TimeSpan.FromSeconds(1);

    /// <summary>The address of this node or of another in Akka's writing.</summary>
    public static Address AddressOf(NodeAddress node, ClusterOptions options) => new(
        options.Tls is null ? "akka.tcp" : "akka.ssl.tcp",
        "policyd",
        node.Host.Contains(':', StringComparison.Ordinal) ? $"[{node.Host}]" : node.Host,
        node.Port);

    /// <summary>The settings, to be put over those of any cluster.</summary>
    /// <remarks>
    /// A silent node is unreachable after its next heartbeat was due, the pause, and half a second more that the detector allows for
    /// heartbeats which vary. So a pause that is shorter by two heartbeats gives about <c>failure_after</c>.
    /// </remarks>
    public static Config For(ClusterOptions options)
    {
        var beat = options.FailureAfter / 6;
        beat = beat < s_shortestBeat ? s_shortestBeat : beat > s_longestBeat ? s_longestBeat : beat;
        return ConfigurationFactory.ParseString($$"""
            akka {
              remote {
                enabled-transports = ["{{NodeTransport.Path}}"]
                node-transport {
                  transport-class = "{{typeof(NodeTransport).FullName}}, {{typeof(NodeTransport).Assembly.GetName().Name}}"
                  applied-adapters = []
                  hostname = "{{options.Listen.Host}}"
                  port = {{options.Listen.Port}}
                  public-hostname = "{{options.Advertised.Host}}"
                  public-port = {{options.Advertised.Port}}
                  handshake-timeout = 5 s
                  maximum-frame-size = 1 MiB
                }
                # How long nothing is sent to a node after a connection to it has failed.
                retry-gate-closed-for = 500 ms
              }
              cluster {
                failure-detector {
                  heartbeat-interval = {{Milliseconds(beat)}}
                  expected-response-after = {{Milliseconds(beat)}}
                  acceptable-heartbeat-pause = {{Milliseconds(options.FailureAfter - (2 * beat))}}
                }
                # The fence in the database keeps a removed node from writing, so its keys need not wait.
                down-removal-margin = 100 ms
                split-brain-resolver.stable-after = {{Milliseconds(options.DecideAfter)}}
                log-info = off
              }
            }
            """);
    }

    private static string Milliseconds(TimeSpan time) =>
        string.Create(CultureInfo.InvariantCulture, $"{(long)time.TotalMilliseconds} ms");
}
