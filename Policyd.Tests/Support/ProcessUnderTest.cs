using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Policyd.Tests.Support;

/// <summary>A real process that a test starts, listens to, and always ends.</summary>
internal sealed partial class ProcessUnderTest : IAsyncDisposable
{
    private const int SigTerm = 15;
    private const int SigKill = 9;
    private const int SigHup = 1;

    private readonly Process _process;
    private readonly ConcurrentQueue<string> _lines = new();

    private ProcessUnderTest(Process process) => _process = process;

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    public int ExitCode => _process.ExitCode;

    /// <summary>Everything on standard output and standard error so far, in the order in which it came.</summary>
    public IReadOnlyList<string> Lines => [.. _lines];

    public StreamWriter Input => _process.StandardInput;

    public static ProcessUnderTest Start(string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null, string? workingFolder = null)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
            RedirectStandardInput = true,
            WorkingDirectory = workingFolder ?? string.Empty,
        };
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
        {
            start.Environment[name] = value;
        }

        var started = new ProcessUnderTest(new Process { StartInfo = start });
        started._process.OutputDataReceived += (_, data) => started.Keep(data.Data);
        started._process.ErrorDataReceived += (_, data) => started.Keep(data.Data);
        started._process.Start();
        started._process.BeginOutputReadLine();
        started._process.BeginErrorReadLine();
        return started;
    }

    /// <summary>Runs a program to its end and gives its exit code and what it printed.</summary>
    public static async Task<(int ExitCode, string Output)> Run(string program, params string[] arguments)
    {
        await using var process = Start(program, arguments);
        process.Input.Close();
        var code = await process.Exits();
        return (code, string.Join('\n', process.Lines));
    }

    public async Task<string> Prints(string part, TimeSpan? patience = null)
    {
        string? found = null;
        await Eventually.Holds(
            $"\"{part}\" from the process; it printed:\n{string.Join('\n', _lines)}",
            () => (found = _lines.FirstOrDefault(line => line.Contains(part, StringComparison.Ordinal))) is not null || _process.HasExited,
            patience);
        return found ?? _lines.FirstOrDefault(line => line.Contains(part, StringComparison.Ordinal))
            ?? throw new InvalidOperationException($"the process ended without \"{part}\"; it printed:\n{string.Join('\n', _lines)}");
    }

    public void Terminate() => Signal(SigTerm);

    public void Kill() => Signal(SigKill);

    public void HangUp() => Signal(SigHup);

    public async Task<int> Exits(TimeSpan? patience = null)
    {
        using var deadline = new CancellationTokenSource(patience ?? Eventually.Patience);
        try
        {
            await _process.WaitForExitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            Assert.Fail($"waited in vain for the process to end; it printed:\n{string.Join('\n', _lines)}");
        }

        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync();
        }

        _process.Dispose();
    }

    private void Keep(string? line)
    {
        if (line is not null)
        {
            _lines.Enqueue(line);
        }
    }

    private void Signal(int signal) => Assert.Equal(0, SendSignal(_process.Id, signal));

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int SendSignal(int processId, int signal);
}
