using Microsoft.Extensions.Logging;
using Policyd.Actors.Connections;
using Policyd.Actors.Server;
using Policyd.Configuration.Tree;
using Policyd.Engine.Building;
using Policyd.Engine.Model;
using Policyd.Engine.Reloading;
using Policyd.Server.ExitCodes;
using Policyd.Server.History;
using Policyd.Server.Loading;
using Policyd.Server.Logging;
using Policyd.Server.Recording;

namespace Policyd.Server.Reloading;

/// <summary>
/// Reads the configuration of the running server anew, holds it against the machine as a start would, and has the server take it over. One
/// at a time; who comes meanwhile waits. A configuration with an error changes nothing.
/// </summary>
/// <param name="path">The configuration that the server was started with.</param>
/// <param name="server">The running server.</param>
/// <param name="recording">The recording of requests, which a reload may begin, end or change.</param>
/// <param name="history">The history of decisions, the same.</param>
/// <param name="log">The log, whose level a reload may change.</param>
/// <param name="level">The level of the command line, which overrides the configuration's; null: none was given.</param>
internal sealed partial class Reloader(
    string path, IPolicyServerHandle server, RequestRecording recording, DecisionHistory history, PolicydLog log, int? level) : IDisposable
{
    /// <summary>How long the end of the server waits for a reload that it has cut off.</summary>
    private static readonly TimeSpan s_grace = TimeSpan.FromSeconds(5);

    private readonly SemaphoreSlim _one = new(1);
    private readonly CancellationTokenSource _stop = new();
    private readonly ILogger _logger = log.CreateLogger("policyd");
    private readonly PolicyServerModel _started = server.Model;
    private long _lastReload;

    /// <summary>The file that is read.</summary>
    public string Path { get; } = System.IO.Path.GetFullPath(path);

    /// <summary>When the server last took a configuration over; null: it serves by that of its start.</summary>
    public DateTimeOffset? LastReload =>
        Volatile.Read(ref _lastReload) is var ticks and > 0 ? new DateTimeOffset(ticks, TimeSpan.Zero) : null;

    /// <summary>Told when a reload begins, and when it has ended.</summary>
    public event Action<bool>? Reloading;

    /// <summary>Reads the configuration, and unless <paramref name="dryRun"/> takes it over.</summary>
    /// <param name="dryRun">Only tell what would change.</param>
    /// <param name="ct">Ends the wait for another reload, and for databases that do not answer.</param>
    public async Task<ReloadReport> ReloadAsync(bool dryRun, CancellationToken ct)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, _stop.Token);
        try
        {
            await _one.WaitAsync(either.Token);
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            return TellCutOff();
        }

        try
        {
            Reloading?.Invoke(true);
            var report = await ReadAsync(dryRun, either.Token);
            Tell(report, dryRun);
            return report;
        }
        catch (Exception stopped) when (
            stopped is ServerStopsException || (stopped is OperationCanceledException && _stop.IsCancellationRequested))
        {
            return TellCutOff();   // told before the end of the server goes on
        }
        finally
        {
            Reloading?.Invoke(false);
            _one.Release();
        }
    }

    /// <summary>The server stops: a reload that goes on ends, and none begins any more.</summary>
    public void Stop() => _stop.Cancel();

    /// <summary>Waits until a reload that <see cref="Stop"/> has cut off has ended and told so, but no longer than some seconds.</summary>
    public Task EndedAsync() => _one.WaitAsync(s_grace);

    public void Dispose()
    {
        _one.Dispose();
        _stop.Dispose();
    }

    private async Task<ReloadReport> ReadAsync(bool dryRun, CancellationToken ct)
    {
        LoadedConfiguration configuration;
        try
        {
            configuration = LoadedConfiguration.Read(Path);
        }
        catch (CommandException unreadable)
        {
            return new ReloadReport(false, [unreadable.Message], [], []);
        }

        var (document, now) = (configuration.Document, server.Model);
        var next = document.Diagnostics.HasErrors
            ? null
            : ModelBuilder.Build(document, new ModelEnvironment { LoggerFactory = log, Former = now });
        if (next is null)
        {
            return Refused(document);
        }

        var isTaken = false;
        RequestRecorder? recorder = null;
        try
        {
            FixedOptions.Check(_started, now, next, document.Diagnostics);
            if (OpenFiles.Shortage(OpenFiles.NeededBy(next)) is { } shortage)
            {
                document.Diagnostics.Error(next.Root.Position, shortage);
            }

            await StartChecks.AddToAsync(configuration, next, ct);
            if (document.Diagnostics.HasErrors)
            {
                return Refused(document);
            }

            IReadOnlyList<string> changes =
            [
                .. OptionDifference.Between(EffectiveOptions.Of(now), EffectiveOptions.Of(next)),
                .. next.PluginFilesBeyond(now).Select(static file => LogText.OneLine($"~ plugin_folder: {file}")),
            ];
            if (!dryRun)
            {
                var keepsRecording = SectionText.AreSame(now.Section["record"], next.Section["record"]);
                recorder = keepsRecording ? null : recording.Open(next.Options.Record);
                isTaken = true;   // whatever happens to it, but for a refusal
                await server.ReloadAsync(next);
                Record(keepsRecording, recorder);
                recorder = null;
                await history.ReloadedAsync(now, next);
                Volatile.Write(ref _lastReload, DateTimeOffset.UtcNow.Ticks);
                log.Level = (LogSeverity)(level ?? next.Options.LogLevel);
            }

            return new ReloadReport(!dryRun, [], Lines(document, Severity.Warning), changes);
        }
        catch (ServerStopsException)
        {
            isTaken = false;
            throw;
        }
        catch (CommandException cannotRecord)
        {
            document.Diagnostics.Error(next.Section.PositionOf("record"), $"record: {cannotRecord.Message}");
            return Refused(document);
        }
        catch (ReloadException refused)
        {
            isTaken = false;
            document.Diagnostics.Error(next.Section.PositionOf(refused.Option.Split('.')[0]), $"{refused.Option}: {refused.Message}");
            return Refused(document);
        }
        finally
        {
            recorder?.Dispose();
            if (!isTaken)
            {
                await next.EndUnusedAsync();
                await next.EndAllButAsync(now, []);
            }
        }
    }

    private ReloadReport TellCutOff()
    {
        CutOff(_logger, Path);
        return new ReloadReport(false, ["the server stops"], [], []);
    }

    // One that has ended, because a disk was full, begins again.
    private void Record(bool isKept, RequestRecorder? recorder)
    {
        if (isKept)
        {
            recording.Reopen();
        }
        else
        {
            recording.Use(recorder);
        }
    }

    private static ReloadReport Refused(ConfigDocument document) =>
        new(false, Lines(document, Severity.Error), Lines(document, Severity.Warning), []);

    private static List<string> Lines(ConfigDocument document, Severity severity) =>
        [.. document.Diagnostics.All.Where(one => one.Severity == severity).Select(static one => one.ToString())];

    private void Tell(ReloadReport report, bool dryRun)
    {
        if (dryRun)
        {
            return;
        }

        foreach (var error in report.Errors)
        {
            Wrong(_logger, LogLevel.Error, error);
        }

        foreach (var warning in report.Warnings)
        {
            Wrong(_logger, LogLevel.Warning, warning);
        }

        if (report.Applied)
        {
            Reloaded(_logger, Path, report.Changes.Count);
        }
        else
        {
            NotReloaded(_logger, Path);
        }
    }

    [LoggerMessage(EventId = 92, Message = "{Diagnostic}")]
    private static partial void Wrong(ILogger logger, LogLevel level, string diagnostic);

    [LoggerMessage(EventId = 93, Level = LogLevel.Information, Message = "reloaded {Path}; lines of difference: {Changes}")]
    private static partial void Reloaded(ILogger logger, string path, int changes);

    [LoggerMessage(EventId = 99, Level = LogLevel.Information, Message = "not reloaded: {Path}, since the server stops")]
    private static partial void CutOff(ILogger logger, string path);

    [LoggerMessage(EventId = 94, Level = LogLevel.Error, Message = "not reloaded: {Path} has errors; the server goes on as before")]
    private static partial void NotReloaded(ILogger logger, string path);
}
