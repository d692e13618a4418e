using Microsoft.Win32.SafeHandles;

namespace Policyd.Server.Admin;

/// <summary>
/// Descriptors that are held so that an operator is answered while the process has no other: they are given free for his connection, and
/// taken again when it has ended.
/// </summary>
internal sealed class DescriptorReserve : IDisposable
{
    // One for the connection; the others for what a command opens.
    private const int Size = 8;

    private readonly Lock _lock = new();
    private readonly List<SafeFileHandle> _held = [];
    private bool _isDisposed;

    public DescriptorReserve() => Fill();

    /// <summary>Gives them free; false when there were none.</summary>
    public bool Release()
    {
        lock (_lock)
        {
            var had = _held.Count > 0;
            _held.ForEach(static handle => handle.Dispose());
            _held.Clear();
            return had;
        }
    }

    /// <summary>Takes them again, as many as can be had.</summary>
    public void Fill()
    {
        lock (_lock)
        {
            try
            {
                while (!_isDisposed && _held.Count < Size)
                {
                    _held.Add(File.OpenHandle("/dev/null"));
                }
            }
            catch (Exception none) when (none is IOException or UnauthorizedAccessException)
            {
                return; // still short: the next connection's end tries again
            }
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _isDisposed = true;
        }

        Release();
    }
}
