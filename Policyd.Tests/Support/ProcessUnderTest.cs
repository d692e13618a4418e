using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Policyd.Tests.Support;

/// <summary>A real process that a test starts, listens to, and always ends.</summary>
internal sealed partial class ProcessUnderTest : IAsyncDisposable
{
    private const int SigTerm = 15;
    private const int SigKill = 9;
    private const int SigHup = 1;
    private const int SigUsr1 = 10;
    private const int SigStop = 19;
    private const int SigCont = 18;

    private readonly Process _process;
    private readonly ConcurrentQueue<string> _lines = new();
    private bool _disposed;

    private ProcessUnderTest(Process process) => _process = process;

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    public int ExitCode => _process.ExitCode;

    /// <summary>Everything on standard output and standard error so far, in the order in which it came.</summary>
    public IReadOnlyList<string> Lines => [.. _lines];

    private string Printed => string.Join('\n', _lines);

    public StreamWriter Input => _process.StandardInput;

    public static ProcessUnderTest Start(
        string program,
        IEnumerable<string> arguments,
        IReadOnlyDictionary<string, string>? environment = null,
        string? workingFolder = null)
    {
        TestKinds.MayStart(program);
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

    /// <summary>
    /// Runs a program to its end and gives its exit code and what it printed. Some make a database, which takes a busy machine its time.
    /// </summary>
    public static async Task<(int ExitCode, string Output)> Run(string program, params string[] arguments)
    {
        await using var process = Start(program, arguments);
        process.Input.Close();
        var code = await process.Exits(TimeSpan.FromMinutes(3));
        return (code, string.Join('\n', process.Lines));
    }

    public async Task<string> Prints(string part, TimeSpan? timeout = null)
    {
        string? found = null;
        await Eventually.Settles(
            () => $"\"{part}\" from the process; it printed:\n{Printed}",
            () => Task.FromResult(
                (found = _lines.FirstOrDefault(line => line.Contains(part, StringComparison.Ordinal))) is not null || _process.HasExited),
            timeout);
        return found ?? _lines.FirstOrDefault(line => line.Contains(part, StringComparison.Ordinal))
            ?? throw new InvalidOperationException($"the process ended without \"{part}\"; it printed:\n{Printed}");
    }

    /// <summary>
    /// Waits until the port takes connections; says what the process printed when it does not, at once when it has ended.
    /// </summary>
    public Task Listens(string name, int port, TimeSpan? timeout = null) => Eventually.Settles(
        () => $"{name} to listen on {port}; it printed:\n{Printed}",
        () => Task.FromResult(FreePort.Answers(port)
            || (HasExited ? throw new InvalidOperationException($"{name} ended with {ExitCode}; it printed:\n{Printed}") : false)),
        timeout);

    public void Terminate() => Signal(SigTerm);

    public void Kill() => Signal(SigKill);

    /// <summary>SIGHUP, which a process never gets that was started under <c>nohup</c>, as all that the tests start then.</summary>
    public void HangUp()
    {
        const ulong HangUps = 1UL << (SigHup - 1);
        if (OperatingSystem.IsLinux()
            && (ulong.Parse(StatusOf(_process.Id, "SigIgn"), NumberStyles.HexNumber, CultureInfo.InvariantCulture) & HangUps) != 0)
        {
            Needs.Missing<object>("the tests were started under nohup, so that no process gets SIGHUP");
        }

        Signal(SigHup);
    }

    /// <summary>What Linux tells of a process under a name, without its unit.</summary>
    public static string StatusOf(int process, string name) => File.ReadLines($"/proc/{process}/status")
        .Single(line => line.StartsWith(name + ":", StringComparison.Ordinal))
        .Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1];

    /// <summary>SIGUSR1.</summary>
    public void User1() => Signal(SigUsr1);

    /// <summary>SIGKILL for a process and for all that it has started, all at once; over when none of them runs any more.</summary>
    public static Task KillTree(int root, TimeSpan timeout)
    {
        var tree = SignalTree(root, SigKill);
        return Eventually.Holds(
            "all processes that were killed to be gone", () => !Stats().Any(one => tree.Contains(one.Id) && !one.IsZombie), timeout);
    }

    /// <summary>SIGSTOP for a process and for all that it has started: sockets stay open, and nothing is said on them.</summary>
    /// <returns>Whom to thaw.</returns>
    public static IReadOnlyCollection<int> FreezeTree(int root) => SignalTree(root, SigStop);

    public static void Thaw(IEnumerable<int> frozen)
    {
        foreach (var id in frozen)
        {
            _ = SendSignal(id, SigCont);
        }
    }

    // All are found first: the children of one that is gone are nobody's.
    private static HashSet<int> SignalTree(int root, int signal)
    {
        var tree = new HashSet<int>();
        for (int[] found = [root]; found.Length > 0; found = [
            .. Stats().Where(one => tree.Contains(one.Parent) && !tree.Contains(one.Id)).Select(one => one.Id)
        ])
        {
            tree.UnionWith(found);
        }

        foreach (var id in tree)
        {
            _ = SendSignal(id, signal);
        }

        return tree;
    }

    public async Task<int> Exits(TimeSpan? timeout = null)
    {
        using var deadline = new CancellationTokenSource(timeout ?? Eventually.Timeout);
        try
        {
            await _process.WaitForExitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            Assert.Fail($"waited in vain for the process to end; it printed:\n{Printed}");
        }

        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
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

    /// <summary>
    /// Every process of the machine and its parent, from proc_pid_stat(5): the fields stand behind the name, which may hold anything.
    /// </summary>
    private static IEnumerable<(int Id, int Parent, bool IsZombie)> Stats()
    {
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var id)
                && StatOf(folder) is { } stat)
            {
                var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
                yield return (id, int.Parse(fields[1], CultureInfo.InvariantCulture), fields[0] is "Z" or "X");
            }
        }
    }

    private static string? StatOf(string folder)
    {
        try
        {
            return File.ReadAllText(folder + "/stat");
        }
        catch (IOException)
        {
            return null; // it has just ended
        }
    }

    private void Signal(int signal) => Assert.Equal(0, SendSignal(_process.Id, signal));

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int SendSignal(int processId, int signal);
}
