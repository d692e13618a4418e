using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Policyd.Bench.Servers;

/// <summary>
/// A process that this program starts and ends. What it prints goes to a file: reading a log line for each request through a
/// pipe would cost this process, which also makes the load, more than the server pays to write it.
/// </summary>
public sealed partial class ServerProcess : IAsyncDisposable
{
    private const int Terminate = 15;
    private const int ShownLines = 10;

    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(20);

    private readonly Process _process;
    private readonly string _output;

    private ServerProcess(Process process, string output) => (_process, _output) = (process, output);

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    /// <summary>
    /// Starts a command in <paramref name="directory"/>; the shell sends its output to a file there and becomes the command.
    /// </summary>
    public static ServerProcess Start(IReadOnlyList<string> command, string directory)
    {
        ArgumentNullException.ThrowIfNull(command);
        var output = Path.Combine(directory, $"output-{Path.GetRandomFileName()}.log");
        var info = new ProcessStartInfo("/bin/sh", ["-c", "exec \"$@\" >\"$0\" 2>&1", output, .. command]) { WorkingDirectory = directory };
        return new ServerProcess(Process.Start(info)!, output);
    }

    /// <summary>Runs a command to its end.</summary>
    /// <exception cref="InvalidOperationException">Its exit code is not 0; the message shows what it printed last.</exception>
    public static async Task RunAsync(IReadOnlyList<string> command, string directory, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(command);
        var process = Start(command, directory);
        await using var _ = process.ConfigureAwait(false);
        var code = await process.WaitForExitAsync(cancellation).ConfigureAwait(false);
        if (code != 0)
        {
            var printed = await process.LastLinesAsync(cancellation).ConfigureAwait(false);
            var shown = code.ToString(CultureInfo.InvariantCulture);
            throw new InvalidOperationException($"{string.Join(' ', command)} ended with {shown}. It printed last: {printed}");
        }
    }

    /// <summary>Waits until the server is ready.</summary>
    /// <exception cref="InvalidOperationException">It has ended, or is not ready within the time; the message shows what it printed
    /// last.</exception>
    public async Task WaitUntilAsync(string name, Func<Task<bool>> isReady, TimeSpan limit, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(isReady);
        var clock = Stopwatch.StartNew();
        while (!await isReady().ConfigureAwait(false))
        {
            if (HasExited || clock.Elapsed > limit)
            {
                var printed = await LastLinesAsync(cancellation).ConfigureAwait(false);
                throw new InvalidOperationException($"{name} does not start. It printed last: {printed}");
            }

            await Task.Delay(LookAgain, cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>The exit code, when it has ended by itself.</summary>
    public async Task<int> WaitForExitAsync(CancellationToken cancellation)
    {
        await _process.WaitForExitAsync(cancellation).ConfigureAwait(false);
        return _process.ExitCode;
    }

    /// <summary>The last lines that it has printed, for a message.</summary>
    public async Task<string> LastLinesAsync(CancellationToken cancellation)
    {
        var lines = File.Exists(_output) ? await File.ReadAllLinesAsync(_output, cancellation).ConfigureAwait(false) : [];
        return lines.Length == 0 ? "nothing" : Environment.NewLine + string.Join(Environment.NewLine, lines.TakeLast(ShownLines));
    }

    /// <summary>Asks it to end, and ends it when it does not within half a minute.</summary>
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
}
