using System.Runtime.InteropServices;

namespace Policyd.Server.Hosting;

/// <summary>
/// A node that begins anew finds its configuration in the middle of a change: a file that is being edited, or a key that was renewed before
/// its certificate. To end would be for good, since no service manager starts a server again after an error of the configuration. So the
/// process waits and tries again, until the files are right or somebody stops it.
/// </summary>
internal static class RepairPause
{
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(10);

    /// <summary>Waits; SIGHUP ends the pause at once, as an operator who has repaired the file sends it.</summary>
    /// <param name="error">Where the errors of the configuration have been told.</param>
    /// <param name="cancellationToken">Ends the process.</param>
    /// <returns>Whether to try again; no: somebody stops the process.</returns>
    public static async Task<bool> WaitAsync(TextWriter error, CancellationToken cancellationToken)
    {
        var again = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var stopped = cancellationToken.Register(() => again.TrySetResult(false));
        using var term = On(PosixSignal.SIGTERM, () => again.TrySetResult(false));
        using var interrupt = On(PosixSignal.SIGINT, () => again.TrySetResult(false));
        using var hangup = On(PosixSignal.SIGHUP, () => again.TrySetResult(true));
        using var user1 = On(PolicydHost.SigUsr1, static () => { });   // the log is opened at the next start
        await error.WriteLineAsync(
            $"policyd: this node cannot begin anew until its configuration is right; it tries again in {s_pause.TotalSeconds:0} s, and on "
                + "SIGHUP at once");
        new ServiceManager().CannotBegin("cannot begin anew: errors in the configuration");
        try
        {
            return await again.Task.WaitAsync(s_pause, CancellationToken.None);
        }
        catch (TimeoutException)
        {
            return true;
        }
    }

    private static PosixSignalRegistration On(PosixSignal signal, Action what) => PosixSignalRegistration.Create(signal, context =>
    {
        context.Cancel = true;   // the default action ends the process
        what();
    });
}
