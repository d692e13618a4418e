using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Policyd.Bench.Load;

namespace Policyd.Bench.Compare;

/// <summary>How to start one of the servers that are compared.</summary>
/// <param name="Command">Program and arguments.</param>
public sealed record ContenderStart(string Name, IReadOnlyList<string> Command, EndPoint Endpoint);

/// <summary>A server that the comparison has started, in a process of its own, and ends.</summary>
public sealed partial class Contender : IAsyncDisposable
{
    private const int Terminate = 15;

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(2);

    private readonly Process _process;
    private readonly string _output;

    private Contender(ContenderStart start, Process process, string output)
    {
        (Name, Endpoint, _process, _output) = (start.Name, start.Endpoint, process, output);
    }

    public string Name { get; }

    public EndPoint Endpoint { get; }

    public int ProcessId => _process.Id;

    /// <summary>From the start of the process to its first answer.</summary>
    public TimeSpan FirstAnswer { get; private set; }

    /// <summary>Processor time that the process has used.</summary>
    public TimeSpan ProcessorTime
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime;
        }
    }

    /// <summary>Starts the server and waits for its first answer; what it prints goes to a file in <paramref name="directory"/>.</summary>
    /// <exception cref="InvalidOperationException">It ended, or did not answer within 30 seconds; the message shows what it printed last.</exception>
    public static async Task<Contender> StartAsync(ContenderStart start, string directory, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(start);
        var output = Path.Combine(directory, start.Name + ".log");
        // The shell sends the output to a file and becomes the server: reading a log line for each request through a pipe
        // would cost this process, which also makes the load, more than the server pays to write it.
        var info = new ProcessStartInfo("/bin/sh", ["-c", "exec \"$@\" >\"$0\" 2>&1", output, .. start.Command]) { WorkingDirectory = directory };
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
                using var socket = Sockets.Connect(Endpoint, Timeout);
                SingleRequest.Ask(socket, Timeout);
                FirstAnswer = clock.Elapsed;
                return;
            }
            catch (SocketException reason) when (_process.HasExited || clock.Elapsed > Timeout)
            {
                throw new InvalidOperationException($"{Name} gave no answer ({reason.Message}). It printed last: {await LastLinesAsync(cancellation).ConfigureAwait(false)}");
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
