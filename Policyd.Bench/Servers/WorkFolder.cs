namespace Policyd.Bench.Servers;

/// <summary>
/// A temporary folder for the files of the servers, gone afterwards. Others may read it: some servers run as users of their own.
/// </summary>
public sealed class WorkFolder : IDisposable
{
    private const int Attempts = 50;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    public WorkFolder()
    {
        Path = Directory.CreateTempSubdirectory("policyd-bench-").FullName;
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(Path, (UnixFileMode)0b111_101_101);
        }
    }

    public string Path { get; }

    public void Dispose()
    {
        for (var attempt = 1; Directory.Exists(Path); attempt++)
        {
            try
            {
                Directory.Delete(Path, recursive: true);
            }
            catch (IOException) when (attempt < Attempts)
            {
                // A daemon that is just ending may still write into it.
                Thread.Sleep(Pause);
            }
        }
    }
}
