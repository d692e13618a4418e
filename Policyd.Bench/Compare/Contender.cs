using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Policyd.Bench.Load;

namespace Policyd.Bench.Compare;

/// <summary>How to start one of the servers that are compared.</summary>
/// <param name="Command">Program and arguments; the word {config} stands for the file of <paramref name="Configuration"/>.</param>
/// <param name="Configuration">Text of a configuration that is written anew for each start; {directory} in it is a fresh directory.</param>
/// <param name="IsOurs">True for policyd: the stages of its memory are for it, and its answers are checked.</param>
public sealed record ContenderStart(
    string Name, IReadOnlyList<string> Command, EndPoint Endpoint, string? Configuration = null, bool IsOurs = false)
{
    /// <summary>The words that start it in <paramref name="directory"/>, with its configuration written there.</summary>
    public async Task<IReadOnlyList<string>> PrepareAsync(string directory, CancellationToken cancellation)
    {
        if (Configuration is null)
        {
            return Command;
        }

        var file = Path.Combine(directory, "policyd.hocon");
        var text = Configuration.Replace("{directory}", directory, StringComparison.Ordinal);
        await File.WriteAllTextAsync(file, text, cancellation).ConfigureAwait(false);
        return [.. Command.Select(word => word == "{config}" ? file : word)];
    }
}

/// <summary>A server that the comparison has started, in a process of its own, and ends.</summary>
public sealed partial class Contender : IAsyncDisposable
{
    private const int Terminate = 15;

    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(2);

    private readonly Process _process;
    private readonly string _output;

    private Contender(ContenderStart start, Process process, string output)
    {
        (Start, _process, _output) = (start, process, output);
    }

    public ContenderStart Start { get; }

    public string Name => Start.Name;

    public EndPoint Endpoint => Start.Endpoint;

    public int ProcessId => _process.Id;

    /// <summary>From the start of the process to its first answer.</summary>
    public TimeSpan FirstAnswer { get; private set; }

    /// <summary>Starts the server and waits for its first answer; what it prints goes to a file in <paramref name="directory"/>.</summary>
    /// <exception cref="InvalidOperationException">It ended, or did not answer within 30 seconds; the message shows what it printed
    /// last.</exception>
    public static async Task<Contender> StartAsync(ContenderStart start, string directory, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(start);
        // Each start is as the first one: what an earlier process has left, a file of counters for instance, is not there.
        var own = Directory.CreateDirectory(Path.Combine(directory, $"{start.Name}-{Path.GetRandomFileName()}")).FullName;
        var command = await start.PrepareAsync(own, cancellation).ConfigureAwait(false);
        var output = Path.Combine(own, "output.log");
        // The shell sends the output to a file and becomes the server: reading a log line for each request through a pipe
        // would cost this process, which also makes the load, more than the server pays to write it.
        var info = new ProcessStartInfo("/bin/sh", ["-c", "exec \"$@\" >\"$0\" 2>&1", output, .. command]) { WorkingDirectory = own };
        var clock = Stopwatch.StartNew();
        var contender = new Contender(start, Process.Start(info)!, output);
        try
        {
            await contender.WaitForAnswerAsync(clock, cancellation).ConfigureAwait(false);
            return contender;
        }
        catch
        {
            await contender.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Asks the server to end, and ends it when it does not within ten seconds.</summary>
    public async ValueTask DisposeAsync()
    {
        try
        {
            using var limit = new CancellationTokenSource(Grace);
            if (!_process.HasExited)
            {
                _ = Signal(_process.Id, Terminate);
            }

            await _process.WaitForExitAsync(limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            _process.Kill(entireProcessTree: true);
        }

        _process.Dispose();
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Signal(int process, int signal);

    private async Task WaitForAnswerAsync(Stopwatch clock, CancellationToken cancellation)
    {
        while (true)
        {
            try
            {
                using var socket = Sockets.Connect(Endpoint, AnswerTimeout);
                SingleRequest.Ask(socket, AnswerTimeout);
                FirstAnswer = clock.Elapsed;
                return;
            }
            catch (SocketException reason) when (_process.HasExited || clock.Elapsed > AnswerTimeout)
            {
                var printed = await LastLinesAsync(cancellation).ConfigureAwait(false);
                throw new InvalidOperationException($"{Name} gave no answer ({reason.Message}). It printed last: {printed}");
            }
            catch (SocketException)
            {
                await Task.Delay(RetryDelay, cancellation).ConfigureAwait(false);
            }
        }
    }

    private async Task<string> LastLinesAsync(CancellationToken cancellation)
    {
        const int Shown = 10;
        var lines = File.Exists(_output) ? await File.ReadAllLinesAsync(_output, cancellation).ConfigureAwait(false) : [];
        return lines.Length == 0 ? "nothing" : Environment.NewLine + string.Join(Environment.NewLine, lines.TakeLast(Shown));
    }
}
