using Policyd.Actors.Counters;
using Policyd.Configuration.Tree;
using Policyd.Counting.Spool;
using Policyd.Engine.Connections;
using Policyd.Engine.Model;

namespace Policyd.Server.Loading;

/// <summary>
/// Files that the server is to write and that the user of this process cannot: the log, the pid file, the recording, and databases of
/// SQLite that hold tables of the server's own, with the folders in which their logs are made. Root can write nearly everywhere, so run the
/// check as the server's user, as the systemd unit does.
/// </summary>
internal static class WritablePlaces
{
    private const string SpoolAdvice = "Set policyd.spool.directory to a folder that the server's user can write, or to off";

    public static void AddTo(DiagnosticBag diagnostics, ConfigObject root, PolicyServerModel model)
    {
        if (root["policyd"] is not ConfigObject section || OperatingSystem.IsWindows())
        {
            return;
        }

        if (model.CounterTables.Count > 0 && SpoolPlace.Of(model.Options.Spool)?.Folder.WhyNotWritable() is { } unusable)
        {
            diagnostics.Warning(
                section.PositionOf("spool"),
                $"spool: {unusable}; mails that are answered while the database is away are then kept in memory only. {SpoolAdvice}");
        }

        Check("log_file", model.Options.LogFile, section.PositionOf("log_file"));
        Check("pid_file", model.Options.PidFile, section.PositionOf("pid_file"));
        Check("record: the file", model.Options.Record?.File, section.PositionOf("record"), hasFilesBeside: true);
        foreach (var name in model.OwnTables.Select(own => own.Connection).Distinct().Where(model.Sql.Contains))
        {
            if (model.Sql.WrittenFile(name) is { } file)
            {
                Check($"connection {name}: the SQLite file", file, model.Connections[name].Section.PositionOf("dsn"), hasFilesBeside: true);
            }
        }

        if (model.Options.Decisions is { What: not KeptDecisions.Off } kept)
        {
            Check("decisions: the SQLite file", model.Sql.DecisionFile(kept.Db), section.PositionOf("decisions"), hasFilesBeside: true);
        }

        void Check(string subject, string? file, SourcePosition place, bool hasFilesBeside = false)
        {
            if (!string.IsNullOrEmpty(file) && Problem(Path.GetFullPath(file), hasFilesBeside) is { } problem)
            {
                diagnostics.Warning(place, $"{subject}: {problem}");
            }
        }
    }

    private static string? Problem(string file, bool hasFilesBeside)
    {
        if (Directory.Exists(file))
        {
            return $"{file} is a folder; a file is required";
        }

        var folder = Path.GetDirectoryName(file)!;
        var who = $"the user {Environment.UserName}";
        const string Advice = "run check as the server's user (User= in the systemd unit), and make that user the owner of the folder";
        if (!Directory.Exists(folder))
        {
            // The one folder that is made when it is first used: the one above it counts.
            return SqlConnections.MakesFolderOf(file)
                && UserAccess.MayCreateIn(Path.GetDirectoryName(folder)!) ? null
                : File.Exists(folder) ? $"{folder} is a file, not a folder"
                : $"there is no folder {folder}, or {who} cannot access it; create it, or name another";
        }

        if (File.Exists(file) && !UserAccess.MayWrite(file))
        {
            return $"{who} cannot write {file}; {Advice}";
        }

        return (hasFilesBeside || !File.Exists(file)) && !UserAccess.MayCreateIn(folder)
            ? $"{UserAccess.CannotCreateIn(folder)}; {Advice}"
            : null;
    }
}
