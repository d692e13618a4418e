// policyd status: whether the running server is well, for people, scripts and health checks.

using System.CommandLine;
using Policyd.Server.Admin.Health;
using Policyd.Server.ExitCodes;
using Policyd.Server.Logging;

namespace Policyd.Server.Commands;

internal sealed class StatusVerb(TextWriter output) : AdminVerb(output)
{
    public Command Build()
    {
        var verb = Verb(
            "status",
            "Show whether the running server is well: exit code 0 when it is to be sent mail, else 69.",
            "  policyd status && echo ready\n  policyd status --json");
        verb.SetAction((result, cancellation) => AskAsync(
            "status",
            [],
            result,
            ServerReports.Default.ServerReport,
            Write,
            cancellation,
            static report => report.Ready ? ExitCode.Ok : ExitCode.Unavailable));
        return verb;
    }

    private void Write(ServerReport report)
    {
        Pair("state", report.State);
        foreach (var away in report.Away)
        {
            Pair(
                $"database {away.Connection}",
                $"takes no counts; {Shown.Number(away.Mails)} mails wait for it, {Shown.Number(away.InSpool)} of them in the spool: "
                    + away.Reason);
        }

        if (report.History is { } history)
        {
            Pair(
                $"database {history.Connection}",
                $"stores no decisions; {Shown.Number(history.Dropped)} were dropped since the start: {history.Reason}");
        }

        if (report.Cluster is { } cluster)
        {
            Pair("cluster", cluster);
        }

        Pair("version", report.Version);
        Pair("started", Shown.Time(report.Started));
        Pair("configuration", report.Reloaded is { } time ? $"{report.Configuration}, reloaded {Shown.Time(time)}" : report.Configuration);
        Pair("virtual hosts", string.Join(", ", report.VirtualHosts));
        Pair("listens on", string.Join(", ", report.Listen));
        Pair("connections", $"{Shown.Number(report.Connections)}; refused: {Shown.Number(report.ConnectionsRefused)}");
        Pair("requests", $"{Shown.Number(report.Requests)}; in flight: {Shown.Number(report.InFlight)}");
    }

    private void Pair(string name, string value) => Output.WriteLine(LogText.OneLine($"{name,-15} {value}"));
}
