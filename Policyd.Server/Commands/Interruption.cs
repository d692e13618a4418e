using System.Runtime.InteropServices;
using Policyd.Server.Hosting;

namespace Policyd.Server.Commands;

/// <summary>
/// Cancelled when the operator interrupts a command that goes on for ever, when the system ends it, or when nobody reads what it prints.
/// </summary>
internal sealed class Interruption : IDisposable
{
    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(0.5);

    private readonly CancellationTokenSource _source;
    private readonly PosixSignalRegistration[] _signals;
    private readonly Timer _looking;

    public Interruption(CancellationToken cancellationToken)
    {
        _source = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _signals = [Register(PosixSignal.SIGINT), Register(PosixSignal.SIGTERM)];
        _looking = new Timer(_ => Look(), null, s_look, s_look);
    }

    public CancellationToken Token => _source.Token;

    public void Dispose()
    {
        // Also the look that is under way ends before its source does.
        using var ended = new ManualResetEvent(false);
        if (_looking.Dispose(ended))
        {
            ended.WaitOne();
        }

        Array.ForEach(_signals, static signal => signal.Dispose());
        _source.Dispose();
    }

    private void Look()
    {
        if (StandardStream.OutputHasNoReader)
        {
            _source.Cancel();
        }
    }

    private PosixSignalRegistration Register(PosixSignal signal) => PosixSignalRegistration.Create(signal, context =>
    {
        context.Cancel = true;
        _source.Cancel();
    });
}
