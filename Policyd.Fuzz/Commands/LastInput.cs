using Microsoft.Win32.SafeHandles;

namespace Policyd.Fuzz.Commands;

/// <summary>
/// Keeps the input of the present execution in a file. No handler runs when a stack overflow ends the process, so this file is what
/// remains.
/// </summary>
internal sealed class LastInput(string path) : IDisposable
{
    private readonly SafeFileHandle _file = File.OpenHandle(path, FileMode.Create, FileAccess.Write, FileShare.Read);

    public void Write(byte[] input)
    {
        RandomAccess.Write(_file, input, 0);
        RandomAccess.SetLength(_file, input.Length);
    }

    public void Dispose()
    {
        _file.Dispose();
        File.Delete(path);
    }
}
