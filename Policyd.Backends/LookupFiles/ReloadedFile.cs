using Microsoft.Extensions.Logging;
using Policyd.Configuration.Sources;
using Policyd.Plugins.Api;
using Policyd.Plugins.Logging;
using Policyd.Plugins.LookupFiles;

namespace Policyd.Backends.LookupFiles;

/// <summary>
/// The content of a file that another program rewrites while we serve. Whoever asks gets what was read last; once in a while, and beside
/// the requests, it is looked whether the file has changed. One that cannot be read is passed over: the last good content stays. The old
/// object is left to the collector, since a request may be in it.
/// </summary>
/// <param name="path">The file.</param>
/// <param name="open">Reads it. What it throws of IOException, UnauthorizedAccessException and InvalidDataException is a file that cannot
/// be read.</param>
/// <param name="betweenLooks">How long nobody looks after a look.</param>
/// <param name="clock">The clock.</param>
/// <param name="failed">Told of each look that failed, save of the first <see cref="Load"/>.</param>
internal sealed class ReloadedFile<T>(
    string path, Func<string, T> open, TimeSpan betweenLooks, TimeProvider clock, Action<ReloadFailure> failed) : IWatchedFile<T>
    where T : class
{
    private readonly Lock _reading = new();
    private T? _content;
    private FileVersion _version;
    private FileVersion _failed;
    private long _lookAgainAt;

    /// <summary>What was read last; null when nothing could be read yet. Sees after a moment whether there is something new.</summary>
    public T? Current
    {
        get
        {
            var now = clock.GetTimestamp();
            var due = Volatile.Read(ref _lookAgainAt);
            if (now >= due && Interlocked.CompareExchange(
                ref _lookAgainAt, now + (long)(betweenLooks.TotalSeconds * clock.TimestampFrequency), due) == due)
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
            var version = FileVersion.Of(path);
            if (version != _version)
            {
                RegularFile.Demand(path);
                var settled = version.IsSettled(clock.GetUtcNow());
                Volatile.Write(ref _content, open(path));
                _version = settled ? version : default;
            }
        }
    }

    /// <summary>
    /// The file that an option of a plugin names. One that cannot be read is a warning at the start, and later one for each of its states;
    /// what is no file, such as a folder, is an error.
    /// </summary>
    /// <param name="setup">The plugin's.</param>
    /// <param name="option">The option.</param>
    /// <param name="path">The file.</param>
    /// <param name="open">Reads it.</param>
    /// <param name="betweenLooks">How long nobody looks after a look.</param>
    /// <param name="without">What it means that it cannot be read, for the warning at the start.</param>
    public static ReloadedFile<T> For(
        PluginSetup setup, string option, string path, Func<string, T> open, TimeSpan betweenLooks, string without)
    {
        var logger = setup.Logger;
        var file = new ReloadedFile<T>(path, open, betweenLooks, setup.Clock, failure => failure.Warn(logger, path));
        if (RegularFile.Problem(path) is { } problem)
        {
            setup.Error(option, $"{path}: {problem}");
            return file;
        }

        try
        {
            file.Load();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            setup.Warning(option, $"{e.Message.TrimEnd('.')}. {without}");
        }
        catch (ArgumentException)
        {
            // It can be no path. Who names the file tells it.
        }

        return file;
    }

    private void Look()
    {
        // Of two looks at the same state only one warns, also when the disk is slower than the pause between them.
        lock (_reading)
        {
            try
            {
                Load();
                _failed = default;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException)
            {
                var version = FileVersion.Of(path);
                failed(new ReloadFailure(e, version == _failed, Volatile.Read(ref _content) is not null));
                _failed = version;
            }
        }
    }
}

/// <summary>A file that could not be read again.</summary>
/// <param name="Cause">Why.</param>
/// <param name="IsRepeated">Whether the same state of the file has failed before.</param>
/// <param name="HasContent">Whether there is something that was read before, and stays.</param>
internal readonly record struct ReloadFailure(Exception Cause, bool IsRepeated, bool HasContent)
{
    /// <summary>Tells the operator, once for each state of the file.</summary>
    /// <param name="logger">The plugin's log.</param>
    /// <param name="path">The file.</param>
    public void Warn(ILogger logger, string path)
    {
        if (!IsRepeated)
        {
            ChainLog.Write(
                logger,
                LogLevel.Warning,
                $"{path}: {Cause.Message}{(HasContent ? "; the last valid version stays in use" : "")}");
        }
    }
}

/// <summary>What tells two states of a file apart without reading it; of one that is not there <see cref="Length"/> is -1.</summary>
internal readonly record struct FileVersion(DateTime Written, long Length)
{
    private static readonly FileVersion s_absent = new(default, -1);

    public static FileVersion Of(string path)
    {
        try
        {
            // What a link says of itself stays as it is when the file behind it changes.
            FileSystemInfo named = new FileInfo(path);
            return (named.LinkTarget is null ? named : named.ResolveLinkTarget(returnFinalTarget: true)) is FileInfo { Exists: true } file
                ? new(file.LastWriteTimeUtc, file.Length)
                : s_absent;
        }
        catch (IOException)
        {
            return s_absent;
        }
    }

    /// <summary>
    /// Whether whatever is written from now on gives the file another time. File systems count it in ticks, of a second at the coarsest: of
    /// a file that was written to just now, what comes behind our back in the same tick would never be seen.
    /// </summary>
    public bool IsSettled(DateTimeOffset now) => (now.UtcDateTime - Written).Duration() > TimeSpan.FromSeconds(1);
}
