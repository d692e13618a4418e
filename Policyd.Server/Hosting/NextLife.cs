using System.Runtime.InteropServices;
using System.Text;
using Policyd.Server.ExitCodes;

namespace Policyd.Server.Hosting;

/// <summary>
/// A node that its cluster removed begins anew: the process executes itself, with the same number, arguments and environment. Nothing of
/// the former life is left that way, and a service manager sees one process that goes on. What is open is closed by the system.
/// </summary>
internal static partial class NextLife
{
    private const string DeletedFile = " (deleted)";

    /// <summary>Does not return.</summary>
    /// <exception cref="CommandException">The executable cannot be started: the service manager is to try it.</exception>
    public static void Begin()
    {
        // The link, since an upgrade may have put another file in the place of the one that runs.
        var executable = new FileInfo("/proc/self/exe").LinkTarget ?? Environment.ProcessPath ?? "policyd";
        if (executable.EndsWith(DeletedFile, StringComparison.Ordinal))
        {
            executable = executable[..^DeletedFile.Length];
        }

        string?[] arguments = [.. Arguments(), null];
        _ = Execute(executable, arguments);
        throw new CommandException(
            ExitCode.TemporaryFailure,
            $"cannot begin anew: {executable}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
    }

    private static string[] Arguments() =>
        Encoding.UTF8.GetString(File.ReadAllBytes("/proc/self/cmdline")).TrimEnd('\0').Split('\0');

    [LibraryImport("libc", EntryPoint = "execv", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Execute(string path, string?[] arguments);
}
