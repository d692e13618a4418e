using System.CommandLine;
using Policyd.Bench.Compare;
using Policyd.Bench.Postfix;
using Policyd.Bench.Servers;

namespace Policyd.Bench.Commands;

/// <summary>`postfix`: what a server costs behind a real Postfix, and whether it counts every mail once.</summary>
internal static class PostfixCommand
{
    private static readonly PostfixOptions Usual = new();

    private static readonly Option<string[]> Policyd = ServerOptions.Policyd();

    private static readonly Option<string[]> Config = ServerOptions.Config(
        "two Quotas and an Accounting of client_address and sender, asked at RCPT and at END-OF-MESSAGE",
        "; {end_port} is one more port, which is then asked at END-OF-MESSAGE");

    private static readonly Option<int> Mails = LoadArguments.Number("--mails", "Mails of a run.", Usual.Mails, 1, 10_000_000);
    private static readonly Option<int> Sessions = LoadArguments.Number(
        "--sessions", "SMTP sessions at a time, each with mail after mail.", Usual.Sessions, 1, PostfixConfiguration.Processes);

    private static readonly Option<int> Recipients = LoadArguments.Number("--recipients", "Recipients of a mail.", Usual.Recipients, 1, 50);
    private static readonly Option<int> Senders = LoadArguments.Number(
        "--senders", "Different senders, each a process of smtp-source with its share of the sessions.", Usual.Senders, 1, 1000);

    private static readonly Option<bool> Mtpolicyd = new("--mtpolicyd")
    {
        Description = "Also measure an mtpolicyd that is installed, with the same chain and a memcached.",
    };

    private static readonly Option<FileInfo?> Json = ServerOptions.Json();

    public static Command Create()
    {
        var database = DatabaseArgument.Create();
        var command = new Command(
            "postfix",
            "Send mails through a real Postfix with a queue of its own, once cold and once warm for each policyd. Prints policyd's CPU for "
            + "a request, and checks the counter tables' sums. Exit code 1 when a mail was refused or counted wrong. Needs root.")
        {
            Policyd, Config, database, Mails, Sessions, Recipients, Senders, Mtpolicyd, Json,
        };
        command.SetAction((result, cancellation) => BenchCommand.GuardAsync(result, () =>
        {
            var options = new PostfixOptions
            {
                Database = result.GetValue(database),
                Mails = result.GetValue(Mails),
                Sessions = result.GetValue(Sessions),
                Recipients = result.GetValue(Recipients),
                Senders = result.GetValue(Senders),
                WithMtpolicyd = result.GetValue(Mtpolicyd),
            };
            return RunAsync(result, options, cancellation);
        }));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult result, PostfixOptions options, CancellationToken cancellation)
    {
        var console = result.InvocationConfiguration;
        IReadOnlyList<ContenderStart> servers;
        try
        {
            var list = new ServerList(
                [.. result.GetValue(Policyd)!.Select(NamedValue.Parse)],
                [.. result.GetValue(Config)!.Select(NamedValue.Parse)],
                Endpoint: null,
                Against: null,
                AgainstEndpoint: null)
            {
                Usual = Chains.Counting("client_address", "sender"),
            };
            servers = [.. list.Resolve(AppContext.BaseDirectory).Where(server => server.IsOurs)];
        }
        catch (FormatException reason)
        {
            await console.Error.WriteLineAsync(reason.Message).ConfigureAwait(false);
            return 1;
        }

        using var folder = new WorkFolder();
        var runs = await PostfixRun.RunAsync(servers, options, folder.Path, console.Error.WriteLine, cancellation).ConfigureAwait(false);
        await console.Output.WriteLineAsync(PostfixReport.Table(runs)).ConfigureAwait(false);
        if (result.GetValue(Json) is { } file)
        {
            await File.WriteAllTextAsync(file.FullName, PostfixReport.ToJson(options, runs), cancellation).ConfigureAwait(false);
        }

        return runs.All(run => run.IsWell) ? 0 : 1;
    }
}
