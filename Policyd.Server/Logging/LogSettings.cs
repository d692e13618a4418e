using Policyd.Engine.Logging;
using Policyd.Engine.Model;
using Policyd.Server.Descriptors;
using Policyd.Server.ExitCodes;

namespace Policyd.Server.Logging;

/// <summary>Where the log goes and how much of it.</summary>
internal sealed record LogSettings
{
    /// <summary>The least grave level that is written.</summary>
    public LogSeverity Level { get; init; } = LogSeverity.Notice;

    /// <summary>How lines are written.</summary>
    public LogFormat Format { get; init; }

    /// <summary>Whether the server's standard output gets the log.</summary>
    public bool Console { get; init; } = true;

    public bool Syslog { get; init; }

    public string SyslogSocket { get; init; } = SyslogSink.DefaultPath;

    /// <summary>The log file, or null.</summary>
    public string? File { get; init; }

    /// <summary>The name in syslog's tag.</summary>
    public string ProgramName { get; init; } = "policyd";

    /// <summary>
    /// What a configuration asks for. The standard output gets the log when nothing else does, or when
    /// <paramref name="foreground"/> asks for it, as mtpolicyd's -f does.
    /// </summary>
    public static LogSettings From(ServerOptions options, int? level, bool foreground) => new()
    {
        Level = (LogSeverity)(level ?? options.LogLevel),
        Format = options.LogFormat,
        File = options.LogFile,
        Syslog = options.LogSyslog,
        Console = foreground || (options.LogFile is null && !options.LogSyslog),
        ProgramName = options.ProgramName,
    };

    /// <param name="console">Where console lines go instead of the standard output.</param>
    /// <exception cref="CommandException">The log file cannot be opened.</exception>
    public LogQueue Open(Stream? console = null)
    {
        var sinks = new List<ILogSink>();
        if (File is not null)
        {
            sinks.Add(OpenFile(File, Format));
        }

        if (Console)
        {
            sinks.Add(new StreamSink(
                console ?? StandardDescriptor.Output(),
                Journal.TakesStandardOutput() ? LineFormat.Systemd : LineFormat.Plain,
                Format));
        }

        if (Syslog)
        {
            sinks.Add(new SyslogSink(SyslogSocket, ProgramName, Environment.ProcessId, TimeProvider.System, Format));
        }

        return new LogQueue(sinks);
    }

    private static FileSink OpenFile(string path, LogFormat format)
    {
        try
        {
            return new FileSink(path, format);
        }
        catch (UnauthorizedAccessException) when (Directory.Exists(path))
        {
            // .NET has the same exception for it.
            throw new CommandException(ExitCode.CannotCreate, $"cannot open the log file {path}: it is a folder");
        }
        catch (UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.NoPermission, $"no permission to write the log file {path}");
        }
        catch (IOException failure)
        {
            throw new CommandException(ExitCode.CannotCreate, $"cannot open the log file {path}: {failure.Message}");
        }
    }
}

internal static class Journal
{
    /// <summary>
    /// True when journald reads our standard output. JOURNAL_STREAM alone does not tell: a child whose output was
    /// redirected inherits it, so the inode it names is compared (systemd.exec(5)).
    /// </summary>
    public static bool TakesStandardOutput()
    {
        if (Environment.GetEnvironmentVariable("JOURNAL_STREAM")?.Split(':') is not [_, var inode])
        {
            return false;
        }

        try
        {
            return File.ResolveLinkTarget("/proc/self/fd/1", returnFinalTarget: false)?.Name == $"socket:[{inode}]";
        }
        catch (Exception unknown) when (unknown is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
