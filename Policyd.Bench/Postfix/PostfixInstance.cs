using System.Net;
using System.Net.Sockets;
using Policyd.Bench.Servers;

namespace Policyd.Bench.Postfix;

/// <summary>
/// A Postfix of its own that asks a policy server for each recipient and at the end of each message, and throws away what it accepts. Its
/// master needs root.
/// </summary>
internal sealed class PostfixInstance : IAsyncDisposable
{
    private const string Package = "postfix";

    // All sessions come from one address, and one that is refused goes on at once.
    private const string NoLimits = """
        smtpd_client_connection_count_limit = 0
        smtpd_error_sleep_time = 0
        smtpd_hard_error_limit = 1000000
        in_flow_delay = 0
        """;

    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);
    private static readonly string[] Queues = ["maildrop", "incoming", "active"];

    private readonly PostfixConfiguration _configuration;
    private readonly string _program;
    private int _linesSeen;

    private PostfixInstance(PostfixConfiguration configuration, string program, IPEndPoint endpoint) =>
        (_configuration, _program, Endpoint) = (configuration, program, endpoint);

    public IPEndPoint Endpoint { get; }

    /// <param name="atRecipient">The policy server for recipients.</param>
    /// <param name="atEnd">The policy server for the end of a message.</param>
    /// <exception cref="InvalidOperationException">It is not installed, this is not root, or it does not start.</exception>
    public static async Task<PostfixInstance> StartAsync(
        string root, EndPoint atRecipient, EndPoint atEnd, CancellationToken cancellation)
    {
        var program = Programs.Require("postfix", Package);
        if (Environment.UserName != "root")
        {
            throw new InvalidOperationException("Postfix's master starts as root only.");
        }

        var configuration = new PostfixConfiguration(root, "discard:", NoLimits);
        var postfix = new PostfixInstance(configuration, program, FreePort.Find([]));
        configuration.Write(new Dictionary<int, string[]>
        {
            [postfix.Endpoint.Port] =
            [
                $"smtpd_recipient_restrictions = reject_unauth_destination, check_policy_service inet:{atRecipient}",
                $"smtpd_end_of_data_restrictions = check_policy_service inet:{atEnd}",
            ],
        });
        await ServerProcess.RunAsync([Programs.Require("chown", "coreutils"), "postfix", configuration.Data], root, cancellation)
            .ConfigureAwait(false);
        await postfix.CommandAsync("start", cancellation).ConfigureAwait(false);
        try
        {
            await WaitAsync("Postfix does not listen", postfix.Listens, cancellation).ConfigureAwait(false);
            return postfix;
        }
        catch
        {
            await postfix.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Waits until everything that was accepted is thrown away: the next run then has the processors for itself.</summary>
    public Task WaitForEmptyQueueAsync(CancellationToken cancellation) =>
        WaitAsync("Postfix does not empty its queue", QueueIsEmpty, cancellation);

    /// <summary>The lines of the log since the last call.</summary>
    public async Task<IReadOnlyList<string>> NewLogLinesAsync(CancellationToken cancellation)
    {
        var lines = await File.ReadAllLinesAsync(_configuration.LogFile, cancellation).ConfigureAwait(false);
        var fresh = lines[_linesSeen..];
        _linesSeen = lines.Length;
        return fresh;
    }

    public async ValueTask DisposeAsync()
    {
        using var limit = new CancellationTokenSource(LongestWait);
        await CommandAsync("abort", limit.Token).ConfigureAwait(false);
        await WaitAsync("Postfix does not end", () => !Listens(), limit.Token).ConfigureAwait(false);
    }

    private static async Task WaitAsync(string complaint, Func<bool> holds, CancellationToken cancellation)
    {
        var clock = System.Diagnostics.Stopwatch.StartNew();
        while (!holds())
        {
            if (clock.Elapsed > LongestWait)
            {
                throw new TimeoutException($"{complaint} within {LongestWait.TotalSeconds:0} seconds.");
            }

            await Task.Delay(LookAgain, cancellation).ConfigureAwait(false);
        }
    }

    private bool Listens()
    {
        try
        {
            using var socket = Sockets.Connect(Endpoint, ConnectTimeout);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private bool QueueIsEmpty() => Queues.All(queue =>
        !Directory.EnumerateFiles(Path.Combine(_configuration.Queue, queue), "*", SearchOption.AllDirectories).Any());

    private Task CommandAsync(string verb, CancellationToken cancellation) =>
        ServerProcess.RunAsync([_program, "-c", _configuration.Etc, verb], _configuration.Root, cancellation);
}
