using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Policyd.Actors.Clustering;
using Policyd.Server.ExitCodes;

namespace Policyd.Server.Hosting;

/// <summary>
/// A node that its cluster removed begins anew: the process executes itself, with the same number, arguments and environment, but for
/// <see cref="NodeLife.Variable"/>. Nothing of the former life is left that way, and a service manager sees one process that goes on. What
/// is open is closed by the system.
/// </summary>
internal static partial class NextLife
{
    private const string DeletedFile = " (deleted)";

    /// <summary>Does not return.</summary>
    /// <param name="life">The life that begins.</param>
    /// <exception cref="CommandException">The executable cannot be started: the service manager is to try it.</exception>
    public static void Begin(NodeLife life)
    {
        // The link, since an upgrade may have put another file in the place of the one that runs.
        var executable = new FileInfo("/proc/self/exe").LinkTarget ?? System.Environment.ProcessPath ?? "policyd";
        if (executable.EndsWith(DeletedFile, StringComparison.Ordinal))
        {
            executable = executable[..^DeletedFile.Length];
        }

        _ = Execute(executable, [.. Texts("/proc/self/cmdline"), null], [.. Environment(life), null]);
        throw new CommandException(
            ExitCode.TemporaryFailure,
            $"cannot begin anew: {executable}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
    }

    // As the process got it, with what has been taken out for its children since.
    private static IEnumerable<string> Environment(NodeLife life)
    {
        var own = NodeLife.Variable + "=";
        return Texts("/proc/self/environ").Where(variable => !variable.StartsWith(own, StringComparison.Ordinal))
            .Append(string.Create(CultureInfo.InvariantCulture, $"{own}{life.ShortBefore}"));
    }

    private static string[] Texts(string file) => Encoding.UTF8.GetString(File.ReadAllBytes(file)).TrimEnd('\0').Split('\0');

    [LibraryImport("libc", EntryPoint = "execve", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Execute(string path, string?[] arguments, string?[] environment);
}
