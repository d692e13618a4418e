using Policyd.Configuration.Tree;
using Policyd.Engine.Model;
using Policyd.Engine.Reloading;
using Policyd.Server.Loading;

namespace Policyd.Server.Reloading;

/// <summary>
/// What a running server cannot change: where its log goes and where it is commanded, since an operator must find both where they were; its
/// place in a cluster; where it shows and sends its metrics; and what Akka is started with, the ledger of the periodic tasks among it.
/// </summary>
internal static class FixedOptions
{
    private static readonly string[] s_ofServer =
        ["log_file", "log_format", "log_syslog", "program_name", "pid_file", "admin", "spool", "cluster", "http", "otlp"];

    /// <summary>Adds an error for each that differs, at its place in the new configuration.</summary>
    /// <param name="started">The model that the server was started with.</param>
    /// <param name="now">The model that it serves.</param>
    /// <param name="next">The model that it is to serve.</param>
    /// <param name="diagnostics">What is added to.</param>
    public static void Check(PolicyServerModel started, PolicyServerModel now, PolicyServerModel next, DiagnosticBag diagnostics)
    {
        var (before, after, section) = (EffectiveOptions.Of(now), EffectiveOptions.Of(next), next.Section);
        foreach (var name in s_ofServer.Where(name => Values(before, name) != Values(after, name)))
        {
            diagnostics.Error(section.PositionOf(name), Message(name));
        }

        if (!SectionText.AreSame(now.Root["akka"], next.Root["akka"]))
        {
            diagnostics.Error(next.Root.PositionOf("akka"), Message("akka"));
        }

        CheckCron(started, now, next, diagnostics);
        if (started.Options.Cluster is { } cluster && !next.SharesConnection(cluster.Db, now))
        {
            ConnectionChanged(cluster.Db, section, diagnostics);
        }
    }

    private static void CheckCron(PolicyServerModel started, PolicyServerModel now, PolicyServerModel next, DiagnosticBag diagnostics)
    {
        var section = next.Section;
        var hasLedger = started.Cron.Runs && started.Sql.Contains(started.Cron.Db);
        if (started.Cron.Runs != next.Cron.Runs || (hasLedger && started.Cron.Db != next.Cron.Db))
        {
            diagnostics.Error(section.PositionOf("cron"), Message(hasLedger ? "cron: enabled and db" : "cron: enabled"));
        }
        else if (hasLedger && !next.SharesConnection(started.Cron.Db, now))
        {
            ConnectionChanged(started.Cron.Db, section, diagnostics);
        }
        else if (next.Cron.Runs && !hasLedger && next.Sql.Contains(next.Cron.Db))
        {
            diagnostics.Warning(
                section.PositionOf("cron"), "the record of the runs of periodic tasks stays in memory until the server is restarted");
        }
    }

    private static void ConnectionChanged(string name, ConfigObject section, DiagnosticBag diagnostics) => diagnostics.Error(
        (section["connections"] as ConfigObject ?? section).PositionOf(name), Message($"connection {name}, which cron or cluster uses,"));

    private static string Message(string what) => $"{what} cannot be changed while the server runs; restart it";

    private static string Values(IReadOnlyList<EffectiveOption> options, string name)
    {
        var ofServer = options.Skip(1).TakeWhile(static option => option.Depth > 0).ToList();
        var first = ofServer.FindIndex(option => option.Depth == 1 && option.Name == name);
        return first < 0
            ? ""
            : string.Join('\n', ofServer.Skip(first + 1).TakeWhile(static option => option.Depth > 1).Prepend(ofServer[first])
                .Select(static option => $"{option.Depth} {option.Name} {option.Value}"));
    }
}
