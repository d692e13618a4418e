using System.Net;
using System.Net.Sockets;
using Policyd.Bench.Load;

namespace Policyd.Bench.Idle;

/// <summary>What many idle connections cost a server, and whether it still answers.</summary>
/// <param name="ResidentBefore">The server's resident bytes before; null when its process was not named.</param>
/// <param name="ResidentAfter">The same with all connections open.</param>
/// <param name="Answer">The outcome of one request on a fresh connection beside them.</param>
/// <param name="Closed">Idle connections that the server had closed by the end.</param>
public sealed record IdleReport(int Connections, long? ResidentBefore, long? ResidentAfter, LoadReport Answer, int Closed)
{
    public double? BytesPerConnection => (ResidentAfter - ResidentBefore) / (double)Connections;
}

/// <summary>Opens connections and leaves them idle, as Postfix's smtpd processes do between two mails.</summary>
public static class IdleConnections
{
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan SampleInterval = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LongestSettling = TimeSpan.FromSeconds(15);   // beyond the time for which it must hold still

    /// <param name="hold">What the connections stay open for after the measurement; they are looked at when it is over.</param>
    /// <param name="askOnce">Each connection asks one request first: a connection that was used holds buffers that a fresh one may
    /// not.</param>
    /// <param name="still">How long the resident memory must hold still: an idle server may give some back.</param>
    /// <exception cref="SocketException">A connection is refused, or no more descriptors may be opened.</exception>
    public static async Task<IdleReport> MeasureAsync(
        EndPoint endpoint, int count, bool askOnce, int? pid, TimeSpan still, Task hold, CancellationToken cancellation)
    {
        // One run beforehand: what the server loads for its first request is no cost of a connection.
        Ask(endpoint, cancellation);
        long? before = pid is { } server ? await SettledResidentAsync(server, still, cancellation).ConfigureAwait(false) : null;
        var sockets = new List<Socket>(count);
        try
        {
            for (var opened = 0; opened < count && !cancellation.IsCancellationRequested; opened++)
            {
                var socket = Sockets.Connect(endpoint, ConnectTimeout);
                sockets.Add(socket);
                if (askOnce)
                {
                    SingleRequest.Ask(socket, ConnectTimeout);
                }
            }

            long? after = pid is { } process ? await SettledResidentAsync(process, still, cancellation).ConfigureAwait(false) : null;
            var answer = Ask(endpoint, cancellation);
            await hold.WaitAsync(cancellation).ConfigureAwait(false);
            // A readable socket that nobody asked anything on has been closed.
            var closed = sockets.Count(socket => socket.Poll(TimeSpan.Zero, SelectMode.SelectRead));
            return new IdleReport(sockets.Count, before, after, answer, closed);
        }
        finally
        {
            sockets.ForEach(socket => socket.Dispose());
        }
    }

    private static LoadReport Ask(EndPoint endpoint, CancellationToken cancellation)
    {
        using var generator = new LoadGenerator(new LoadOptions { Endpoint = endpoint, Connections = 1, Requests = 1 });
        return generator.Run(cancellation);
    }

    // Accepted connections are set up after connect returns; the size holds still when the server is done with them.
    private static async Task<long> SettledResidentAsync(int pid, TimeSpan time, CancellationToken cancellation)
    {
        var stillSamples = Math.Max(4, (int)(time / SampleInterval));
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(LongestSettling + time);
        var (last, still) = (ProcessMemory.ReadResident(pid), 0);
        while (still < stillSamples && !limit.IsCancellationRequested)
        {
            await Task.Delay(SampleInterval, CancellationToken.None).ConfigureAwait(false);
            var now = ProcessMemory.ReadResident(pid);
            still = Math.Abs(now - last) < now / 200 ? still + 1 : 0;
            last = now;
        }

        return last;
    }
}
