using Policyd.Actors.Counters;
using Policyd.Configuration.Sources;
using Policyd.Configuration.Tree;
using Policyd.Counting.Spool;
using Policyd.Engine.Connections;
using Policyd.Engine.Model;
using Policyd.Protocol;

namespace Policyd.Server.Loading;

/// <summary>
/// Files that the server is to write and that the user of this process cannot: the log, the pid file, the recording, UNIX sockets, and
/// databases of SQLite that hold tables of the server's own, with the folders in which their logs are made. Root can write nearly
/// everywhere, so run the check as the server's user, as the systemd unit does.
/// </summary>
internal static class WritablePlaces
{
    private const string Advice = "run check as the server's user (User= in the systemd unit), and make that user the owner of the folder";
    private const string Connection = "connection ";
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

        var named = new Dictionary<string, (string Subject, SourcePosition Place)>(StringComparer.Ordinal);
        Sockets(diagnostics, section, model.Options);
        Check("log_file", model.Options.LogFile, section.PositionOf("log_file"));
        Check("pid_file", model.Options.PidFile, section.PositionOf("pid_file"));
        Check("record: the file", model.Options.Record?.File, section.PositionOf("record"), hasFilesBeside: true);
        foreach (var name in model.OwnTables.Select(own => own.Connection).Distinct().Where(model.Sql.Contains))
        {
            if (model.Sql.WrittenFile(name) is { } file)
            {
                var place = model.Connections[name].Section.PositionOf("dsn");
                Check($"{Connection}{name}: the SQLite file", file, place, hasFilesBeside: true);
            }
        }

        if (model.Options.Decisions is { What: not KeptDecisions.Off } kept)
        {
            Check("decisions: the SQLite file", model.Sql.DecisionFile(kept.Db), section.PositionOf("decisions"), hasFilesBeside: true);
        }

        void Check(string subject, string? file, SourcePosition place, bool hasFilesBeside = false)
        {
            if (string.IsNullOrEmpty(file))
            {
                return;
            }

            var path = Path.GetFullPath(file);
            if (Problem(path, hasFilesBeside) is { } problem)
            {
                diagnostics.Warning(place, $"{subject}: {problem}");
            }

            // Each would overwrite what the other writes. Several connections may lead to one database, and a device keeps nothing.
            if (!named.TryAdd(path, (subject, place)) && !path.StartsWith("/dev/", StringComparison.Ordinal)
                && named[path] is var other && !(IsConnection(subject) && IsConnection(other.Subject)))
            {
                diagnostics.Error(
                    place,
                    $"{subject}: {path} is the file of {other.Subject} ({other.Place.RelativeTo(place)}) too; each needs its own");
            }
        }

        static bool IsConnection(string subject) => subject.StartsWith(Connection, StringComparison.Ordinal);
    }

    private static void Sockets(DiagnosticBag diagnostics, ConfigObject section, ServerOptions options)
    {
        for (var index = 0; index < options.Listen.Count; index++)
        {
            var place = section["listen"] is ConfigArray array && index < array.Items.Count
                ? array.Items[index].Position
                : section.PositionOf("listen");
            Check("listen", options.Listen[index], place);
        }

        // Without one at the default the server does without, and says so.
        if (options.Admin.Listen is { } admin)
        {
            Check("admin: listen", admin, (section["admin"] as ConfigObject ?? section).PositionOf("listen"));
        }

        void Check(string option, string listen, SourcePosition place)
        {
            if (PolicyEndpoint.TryParse(listen, out var endpoint, out _) && endpoint.IsUnix
                && SocketProblem(Path.GetFullPath(endpoint.Path)) is { } problem)
            {
                diagnostics.Warning(place, $"{option}: {problem}");
            }
        }
    }

    private static string? SocketProblem(string path)
    {
        if (RegularFile.IsInTheWayOfSocket(path))
        {
            return $"there is something else than a socket at {path}; remove it, or name another path";
        }

        // Whoever has made a socket that is there may have passed it to the server, which then makes none.
        var folder = Path.GetDirectoryName(path)!;
        return File.Exists(path) ? null
            : !Directory.Exists(folder)
                ? $"there is no folder {folder} for the socket, or the user {Environment.UserName} cannot access it; create it, or have "
                    + "systemd do so (RuntimeDirectory=)"
            : UserAccess.MayCreateIn(folder) ? null
            : $"{UserAccess.CannotCreateIn(folder)}; {Advice}";
    }

    private static string? Problem(string file, bool hasFilesBeside)
    {
        if (Directory.Exists(file))
        {
            return $"{file} is a folder; a file is required";
        }

        // A log may go to a FIFO or a device.
        if (hasFilesBeside && RegularFile.Problem(file) is { } other)
        {
            return $"{file}: {other}";
        }

        var folder = Path.GetDirectoryName(file)!;
        var who = $"the user {Environment.UserName}";
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
