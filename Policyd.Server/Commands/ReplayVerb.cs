// policyd replay: a changed configuration is tried on the mail of yesterday before it acts on that of today.

using System.CommandLine;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Policyd.Engine.Replaying;
using Policyd.Server.ExitCodes;
using Policyd.Server.Logging;
using Policyd.Server.Replaying;
using Spectre.Console;

namespace Policyd.Server.Commands;

internal sealed class ReplayVerb(TextWriter output, TextWriter error)
{
    /// <summary>What a pipeline learns when a request is answered otherwise.</summary>
    public const int Differs = 1;

    private readonly Argument<string[]> _files = new("FILE")
    {
        Description = "A recording or a JSON log, the oldest first; .gz is unpacked, - is the standard input.",
        Arity = ArgumentArity.OneOrMore,
    };

    private readonly Option<string?> _config = PolicydCommandLine.ConfigOption();
    private readonly Option<string?> _against = new("--against")
    {
        Description = "The configuration to compare with; without it the recorded answers.",
        HelpName = "OLD",
    };

    private readonly Option<string> _counters = new("--counters")
    {
        Description = "empty: all counters begin at zero; live: with what the database has now.",
        HelpName = "empty|live",
        DefaultValueFactory = static _ => "empty",
    };

    private readonly Option<bool> _offline = new("--offline")
    {
        Description = "Ask nobody: DNS, SQL and LDAP are answered as if they could not be reached.",
    };

    private readonly Option<bool> _json = new("--json") { Description = "Print one JSON document instead of tables." };

    public Command Build()
    {
        var verb = new Command(
            "replay",
            "Run recorded requests through a configuration, and print which answers differ (exit code 1 when some do). Nothing that "
                + "it does is seen outside: counters, sessions and tickets are its own, nobody is banned or called.");
        _counters.CompletionSources.Add("empty", "live");
        _counters.Validators.Add(static result =>
        {
            if (result.Tokens is [var token] && token.Value is not ("empty" or "live"))
            {
                result.AddError($"--counters: expected empty or live, found \"{token.Value}\".");
            }
        });
        verb.Arguments.Add(_files);
        PolicydCommandLine.AddAll(verb, _config, _against, _counters, _offline, _json);
        PolicydCommandLine.AddHelp(
            verb,
            "  policyd replay /var/lib/policyd/requests.jsonl -c new.hocon --against /etc/policyd/policyd.hocon\n"
                + "  zcat policyd.log.2.gz | policyd replay - -c new.hocon --offline --json",
            "--help",
            "-h",
            "-?");
        verb.SetAction(RunAsync);
        return verb;
    }

    private async Task<int> RunAsync(ParseResult result, CancellationToken cancellationToken)
    {
        var clock = new ReplayClock();
        var (isLive, isOffline) = (result.GetValue(_counters) == "live", result.GetValue(_offline));
        using var tried = await ReplayedServer.MakeAsync(result.GetValue(_config), clock, isLive, isOffline, error, cancellationToken);
        using var against = tried is not null && result.GetValue(_against) is { } old
            ? await ReplayedServer.MakeAsync(old, clock, isLive, isOffline, error, cancellationToken)
            : null;
        if (tried is null || (against is null && result.GetValue(_against) is not null))
        {
            return ExitCode.Config;
        }

        foreach (var plugin in tried.NotRun)
        {
            await error.WriteLineAsync(LogText.OneLine($"plugin {plugin} is not run in a replay: what it does may be seen outside"));
        }

        foreach (var unknown in tried.NotKnown.Union(against?.NotKnown ?? []))
        {
            await error.WriteLineAsync(LogText.OneLine(unknown));
        }

        var replay = new Replay(tried, against, clock);
        var files = new List<RecordedFile>();
        var watch = Stopwatch.StartNew();
        try
        {
            files.AddRange(result.GetRequiredValue(_files).Select(static path => new RecordedFile(path)));
            await WithProgressAsync(
                files, replay.Findings, progress => replay.RunAsync(ReadAsync(files, progress, cancellationToken), cancellationToken));
        }
        finally
        {
            foreach (var file in files)
            {
                await file.DisposeAsync();
            }
        }

        var report = ReplayReport.Of(replay.Findings, files, watch.Elapsed);
        if (report.Requests == 0)
        {
            // To a pipeline "no answer differs" would be a false promise.
            throw new CommandException(ExitCode.DataError, WhyNothing(report));
        }

        if (result.GetValue(_json))
        {
            await output.WriteLineAsync(JsonSerializer.Serialize(report, ReplayReports.Default.ReplayReport));
        }
        else
        {
            new ReplayView(output, error).Write(report);
        }

        // What was not tried may be answered otherwise.
        return report.Incomplete is not null ? ExitCode.DataError : report.Different > 0 ? Differs : ExitCode.Ok;
    }

    private static string WhyNothing(ReplayReport report) =>
        report.WithoutVirtualHost > 0
            ? $"no request was tried, since the virtual hosts of all {Shown.Number(report.WithoutVirtualHost)} are not in the configuration"
            : $"no answered request was found{((report.Incomplete ?? report.FirstUnreadable) is { } first ? $"; {first}" : "")}";

    private static async IAsyncEnumerable<RecordedRequest> ReadAsync(
        List<RecordedFile> files, Action progress, [EnumeratorCancellation] CancellationToken ct)
    {
        foreach (var file in files)
        {
            await foreach (var request in file.ReadAsync(ct))
            {
                yield return request;
                progress();
            }
        }
    }

    // A bar on a terminal; a script's standard error stays for what is wrong.
    private async Task WithProgressAsync(List<RecordedFile> files, ReplayFindings findings, Func<Action, Task> run)
    {
        var length = files.Sum(static file => file.Length);
        if (Console.IsErrorRedirected || length == 0)
        {
            await run(static () => { });
            return;
        }

        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(error) });
        await console.Progress().AutoClear(true).StartAsync(async context =>
        {
            const int Rarely = 1024;
            var bar = context.AddTask("requests", maxValue: length);
            await run(() =>
            {
                if (findings.Requests % Rarely == 0)
                {
                    bar.Value = files.Sum(static file => file.Position);
                }
            });
        });
    }
}
