using Microsoft.Extensions.Logging;
using Policyd.Plugins.Chain;

namespace Policyd.Plugins.LookupFiles;

/// <summary>
/// The content of a file that another program rewrites while we serve. Whoever asks gets what was read last; at most once a second, and beside the
/// requests, it is looked whether the file has changed. One that is half written or damaged is passed over: the last good content stays.
/// </summary>
internal sealed class ReloadedFile<T>(string path, Func<byte[], T> read, TimeProvider clock, ILogger logger, string name)
    where T : class
{
    // Beyond it a file is no map of addresses any more, and reading it at each change would cost more than it is worth.
    private const long Largest = 256L * 1024 * 1024;
    private static readonly TimeSpan s_betweenLooks = TimeSpan.FromSeconds(1);

    private readonly Lock _reading = new();
    private T? _content;
    private (DateTime Written, long Length) _version;
    private (DateTime Written, long Length) _failed;
    private long _lookAgainAt;

    /// <summary>What was read last; null when nothing could be read yet. Sees after a moment whether there is something new.</summary>
    public T? Current
    {
        get
        {
            var now = clock.GetTimestamp();
            var due = Volatile.Read(ref _lookAgainAt);
            if (now >= due && Interlocked.CompareExchange(ref _lookAgainAt, now + (long)(s_betweenLooks.TotalSeconds * clock.TimestampFrequency), due) == due)
            {
                _ = Task.Run(Look);
            }

            return Volatile.Read(ref _content);
        }
    }

    /// <summary>Reads the file when it has changed.</summary>
    /// <exception cref="IOException">It is not there, or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The same.</exception>
    /// <exception cref="InvalidDataException">It is not what it should be.</exception>
    public void Load()
    {
        lock (_reading)
        {
            var before = Version();
            if (before == _version)
            {
                return;
            }

            if (before.Length > Largest)
            {
                throw new InvalidDataException($"{path} is larger than {Largest / 1024 / 1024} MiB");
            }

            var bytes = File.ReadAllBytes(path);
            if (Version() != before || bytes.Length != before.Length)
            {
                throw new InvalidDataException($"{path} is being written");
            }

            Volatile.Write(ref _content, read(bytes));
            _version = before;
        }
    }

    private void Look()
    {
        try
        {
            Load();
            _failed = default;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            // Told once for each state of the file, not each second.
            var version = Version();
            if (version != _failed)
            {
                _failed = version;
                ChainLog.Write(logger, LogLevel.Warning, $"{name}: {path}: {e.Message}{(Volatile.Read(ref _content) is null ? "" : "; what was read before stays")}");
            }
        }
    }

    private (DateTime Written, long Length) Version() => new FileInfo(path) is { Exists: true } file ? (file.LastWriteTimeUtc, file.Length) : (default, -1);
}
