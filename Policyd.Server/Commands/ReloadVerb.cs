// policyd reload: the running server reads its configuration anew.

using System.CommandLine;
using System.Text.Json.Nodes;
using Policyd.Server.ExitCodes;
using Policyd.Server.Loading;
using Policyd.Server.Logging;
using Policyd.Server.Reloading;

namespace Policyd.Server.Commands;

internal sealed class ReloadVerb(TextWriter output, TextWriter error) : AdminVerb(output)
{
    private readonly Option<bool> _dryRun = new("--dry-run") { Description = "Only print what would change." };

    public Command Build()
    {
        var verb = Verb(
            "reload",
            "Have the running server read its configuration anew. No connection is closed and no count is lost; an error changes nothing "
                + "(exit code 78).",
            "  policyd reload -c /etc/policyd/policyd.hocon --dry-run\n  policyd reload -c /etc/policyd/policyd.hocon",
            _dryRun);
        verb.SetAction(RunAsync);
        return verb;
    }

    private async Task<int> RunAsync(ParseResult result, CancellationToken cancellationToken)
    {
        var configuration = LoadedConfiguration.Read(ConfigOf(result));
        try
        {
            return await AskAsync(
                "reload",
                new JsonObject { ["path"] = Path.GetFullPath(configuration.Path), ["dry_run"] = result.GetValue(_dryRun) },
                result,
                ReloadReports.Default.ReloadReport,
                Write,
                cancellationToken,
                static report => report.Errors.Count == 0 ? ExitCode.Ok : ExitCode.Config);
        }
        catch (CommandException unavailable) when (
            unavailable.ExitCode == ExitCode.Unavailable && configuration.Document.Diagnostics.HasErrors)
        {
            // Where the server is asked may stand in what cannot be read.
            configuration.Document.Diagnostics.WriteTo(error);
            return ExitCode.Config;
        }
    }

    private void Write(ReloadReport report)
    {
        foreach (var line in report.Errors.Concat(report.Warnings))
        {
            error.WriteLine(LogText.OneLine(line));
        }

        if (report.Errors.Count > 0)
        {
            error.WriteLine("not reloaded: the server goes on as before");
            return;
        }

        foreach (var line in report.Changes)
        {
            Output.WriteLine(LogText.OneLine(line));
        }

        var what = report.Changes.Count == 0 ? "no option has changed" : $"lines of difference: {report.Changes.Count}";
        Output.WriteLine(report.Applied ? $"reloaded; {what}" : $"not applied (--dry-run); {what}");
    }
}
