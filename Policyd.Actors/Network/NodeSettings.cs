using System.Globalization;
using Akka.Configuration;
using Policyd.Actors.Clustering;
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
                # Who goes on when nodes do not reach each other: the side that takes the lease in the common database. A minority waits a
                # little, so that the larger side has it.
                downing-provider-class = "Akka.Cluster.SBR.SplitBrainResolverProvider, Akka.Cluster"
                split-brain-resolver {
                  active-strategy = lease-majority
                  stable-after = {{Milliseconds(options.DecideAfter)}}
                  lease-majority {
                    lease-implementation = "policyd.split"
                    lease-name = "{{ClusterLease.Split}}"
                    acquire-lease-delay-for-minority = 1 s
                    release-after = 40 s
                  }
                }
                log-info = off
              }
            }
            policyd.split {
              lease-class = "{{typeof(ClusterLease).FullName}}, {{typeof(ClusterLease).Assembly.GetName().Name}}"
              heartbeat-timeout = 10 s
              heartbeat-interval = 3 s
              lease-operation-timeout = 5 s
            }
            """);
    }

    private static string Milliseconds(TimeSpan time) =>
        string.Create(CultureInfo.InvariantCulture, $"{(long)time.TotalMilliseconds} ms");
}
