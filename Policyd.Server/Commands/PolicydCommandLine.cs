// The grammar of the command line. mtpolicyd's own flags work at the root, so that a unit file or a crontab written for it
// needs no change; the verbs are ours.

using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;
using Policyd.Configuration.Options;
using Policyd.Protocol;
using Policyd.Server.ExitCodes;
using Policyd.Server.Loading;

namespace Policyd.Server.Commands;

/// <summary>What each verb does; the tests and <c>Main</c> give the real ones.</summary>
internal sealed class PolicydCommandLine(TextReader input, TextWriter output, TextWriter error)
{
    private readonly Option<string?> _host = new("--host", "-h")
    {
        Description = "The server's HOST:PORT, [V6]:PORT or PORT (default 127.0.0.1:12345).",
        HelpName = "HOST:PORT",
    };
    private readonly Option<string?> _socket = new("--socket_path", "-s")
    {
        Description = "The server's UNIX socket.",
        HelpName = "SOCKET",
    };

    /// <summary>Runs the command; the result is the process's exit code. What went wrong is one line on stderr.</summary>
    public async Task<int> RunAsync(string[] arguments, CancellationToken cancellationToken = default)
    {
        var code = await InvokeAsync(arguments, cancellationToken);
        try
        {
            // A short output waits in the writer until now: a full disk is told here, and not by the end of the process.
            await output.FlushAsync(CancellationToken.None);
            return code;
        }
        catch (IOException failure)
        {
            await FailAsync(failure.Message);
            return ExitCode.IoError;
        }
    }

    private async Task<int> InvokeAsync(string[] arguments, CancellationToken cancellationToken)
    {
        try
        {
            var result = Build().Parse(arguments);
            if (result.Errors.Count > 0)
            {
                throw new CommandException(ExitCode.Usage, $"{Mistakes(result)} Try '{Names(result.CommandResult)} --help'.");
            }

            var configuration = new InvocationConfiguration
            {
                Output = output,
                Error = error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null, // serve handles signals itself: it has answers to finish
            };
            return await result.InvokeAsync(configuration, cancellationToken);
        }
        catch (CommandException failure)
        {
            await FailAsync(failure.Message);
            return failure.ExitCode;
        }
        catch (UnauthorizedAccessException failure)
        {
            await FailAsync(failure.Message);
            return ExitCode.NoPermission;
        }
        catch (IOException failure)
        {
            await FailAsync(failure.Message);
            return ExitCode.IoError;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return ExitCode.Ok;
        }
        catch (Exception defect) when (defect is not OutOfMemoryException)
        {
            // A defect of ours: still one line, and the place for the report on request.
            var trace = Environment.GetEnvironmentVariable("POLICYD_TRACE") == "1";
            await FailAsync(trace
                ? Logging.LogText.WithException("internal error", defect, stack: true)
                : $"internal error: {defect.GetType().Name}: {defect.Message} (POLICYD_TRACE=1 shows where)");
            return ExitCode.Software;
        }
    }

    // The parser takes a verb that does not exist for the first of several stray words, and names all of them.
    private static string Mistakes(ParseResult result)
    {
        var verbs = result.CommandResult.Command.Subcommands.Select(verb => verb.Name).ToList();
        if (verbs.Count == 0 || result.UnmatchedTokens is not [var wrong, ..] || wrong.StartsWith('-'))
        {
            return string.Join(" ", result.Errors.Select(Sentence).Distinct());
        }

        var hint = OptionNames.DidYouMean(wrong, verbs);
        return $"{Names(result.CommandResult)} has no verb \"{wrong}\"{(hint.Length > 0 ? hint : $"; it has {string.Join(", ", verbs)}.")}";
    }

    // As it is typed: policyd counter list.
    private static string Names(CommandResult verb) =>
        verb.Parent is CommandResult parent ? $"{Names(parent)} {verb.Command.Name}" : "policyd";

    // The parser's own sentence about a value names a type of .NET. Our options that are not text are whole numbers.
    private static string Sentence(ParseError wrong) =>
        wrong.SymbolResult is OptionResult { Tokens: [var token] } one && wrong.Message.Contains("'System.", StringComparison.Ordinal)
            ? $"{one.Option.Name}: expected a whole number, found \"{token.Value}\"."
            : wrong.Message;

    private Task FailAsync(string message) => error.WriteLineAsync(Logging.LogText.OneLine($"policyd: {message}"));

    private RootCommand Build()
    {
        var root = new RootCommand("A policy server for Postfix, successor of mtpolicyd.");
        root.Options.OfType<HelpOption>().ToList().ForEach(help => root.Options.Remove(help));
        var config = ConfigOption();
        var level = LevelOption();
        var foreground = ForegroundOption();
        var dump = new Option<bool>("--dump_vhosts", "-d") { Description = "Same as the verb dump (mtpolicyd's flag)." };
        var cron = new Option<string?>("--cron", "-t")
        {
            Description = "Same as the verb cron (mtpolicyd's flag).",
            HelpName = "TASK[,TASK]",
        };
        AddAll(root, config, level, foreground, dump, cron);
        AddHelp(root, RootExamples, "--help", "-h", "-?");
        var asking = new[]
        {
            new StatusVerb(output).Build(), new ReloadVerb(output, error).Build(), new CounterVerbs(output).Build(),
            new ClusterVerbs(output).Build(), new ExplainVerb(input, output, error).Build(), new ReplayVerb(output, error).Build(),
            new TraceVerb(output).Build(), new DecisionsVerb(output, error).Build(),
        };
        foreach (var verb in new[] { Serve(), Check(), Convert(), Dump(), Client(), Cron() }.Concat(asking))
        {
            root.Subcommands.Add(verb);
        }

        root.SetAction((result, cancellation) =>
            result.GetValue(dump) ? Task.FromResult(DumpCommand.Run(result.GetValue(config), output, error))
            : result.GetValue(cron) is { } tasks
                ? CronCommand.RunAsync(result.GetValue(config), tasks, result.GetValue(level), error, cancellation)
                : new ServeCommand(error).RunAsync(
                    result.GetValue(config), result.GetValue(level), result.GetValue(foreground), cancellation));
        RefuseEmpty(root);
        return root;
    }

    // A variable of a script that is not set: nobody means a file, a plugin or a user without a name.
    private static void RefuseEmpty(Command command)
    {
        foreach (var option in command.Options.Where(static option => option.ValueType == typeof(string)))
        {
            option.Validators.Add(result => Refuse(result, option.Name, result.Tokens));
        }

        foreach (var file in command.Arguments.Where(static argument => argument.Name == "FILE"))
        {
            file.Validators.Add(result => Refuse(result, file.Name, result.Tokens));
        }

        foreach (var verb in command.Subcommands)
        {
            RefuseEmpty(verb);
        }

        static void Refuse(SymbolResult result, string name, IEnumerable<Token> tokens)
        {
            if (tokens.Any(static token => token.Value.Length == 0))
            {
                result.AddError($"{name}: the value is empty.");
            }
        }
    }

    private Command Serve()
    {
        var config = ConfigOption();
        var level = LevelOption();
        var verb = new Command("serve", "Run the server that answers Postfix (the default verb).");
        var foreground = ForegroundOption();
        AddAll(verb, config, level, foreground);
        AddHelp(
            verb, "  policyd serve -c /etc/policyd/policyd.hocon\n  policyd -c /etc/mtpolicyd/mtpolicyd.conf -l 4", "--help", "-h", "-?");
        verb.SetAction((result, cancellation) =>
            new ServeCommand(error).RunAsync(result.GetValue(config), result.GetValue(level), result.GetValue(foreground), cancellation));
        return verb;
    }

    private Command Check()
    {
        var config = ConfigOption();
        var offline = new Option<bool>("--offline") { Description = "Do not connect to the databases." };
        var verb = new Command(
            "check",
            "Check a configuration: print every error with file:line:column (exit code 78), and the changes that a start "
                + "would make to counter tables.");
        AddAll(verb, config, offline);
        AddHelp(verb, "  policyd check -c /etc/mtpolicyd/mtpolicyd.conf && systemctl restart policyd", "--help", "-h", "-?");
        verb.SetAction((result, cancellation) => CheckCommand.RunAsync(
            result.GetValue(config), result.GetValue(offline), output, error, cancellation));
        return verb;
    }

    private Command Convert()
    {
        var file = new Argument<string>("FILE") { Description = "An mtpolicyd.conf." };
        var verb = new Command("convert", "Print an mtpolicyd.conf as HOCON.");
        verb.Arguments.Add(file);
        AddHelp(verb, "  policyd convert /etc/mtpolicyd/mtpolicyd.conf > /etc/policyd/policyd.hocon", "--help", "-h", "-?");
        verb.SetAction(result => ConvertCommand.Run(result.GetRequiredValue(file), output, error));
        return verb;
    }

    private Command Dump()
    {
        var config = ConfigOption();
        var verb = new Command("dump", "Print the virtual hosts and every option in effect, with the place where it is set.");
        AddAll(verb, config);
        AddHelp(verb, "  policyd dump -c /etc/mtpolicyd/mtpolicyd.conf", "--help", "-h", "-?");
        verb.SetAction(result => DumpCommand.Run(result.GetValue(config), output, error));
        return verb;
    }

    private Command Cron()
    {
        var config = ConfigOption();
        var level = LevelOption();
        var tasks = new Argument<string?>("TASK[,TASK]")
        {
            Description = "hourly, daily, weekly, monthly, or a task of a third-party plugin.",
            Arity = ArgumentArity.ZeroOrOne, // list and run have none
        };
        var verb = new Command(
            "cron", "Run the plugins' periodic tasks once, without a server; or show and run the tasks of the running server.");
        verb.Arguments.Add(tasks);
        AddAll(verb, config, level);
        AddHelp(
            verb,
            "  policyd cron list\n  policyd cron run daily\n  policyd cron -c /etc/mtpolicyd/mtpolicyd.conf hourly,daily",
            "--help",
            "-h",
            "-?");
        var verbs = new CronVerbs(output);
        verb.Subcommands.Add(verbs.List());
        verb.Subcommands.Add(verbs.Run());
        verb.SetAction((result, cancellation) =>
            CronCommand.RunAsync(result.GetValue(config), result.GetValue(tasks) ?? "", result.GetValue(level), error, cancellation));
        return verb;
    }

    private Command Client()
    {
        var keep = new Option<bool>("--keepalive", "-k") { Description = "Send all requests over one connection, as Postfix does." };
        var verbose = new Option<bool>("--verbose", "-v") { Description = "Show what is sent and received on stderr." };
        var verb = new Command(
            "client",
            "Send requests to a policy server: attributes on stdin, an empty line after each request; prints the actions on stdout.");
        AddAll(verb, _host, _socket, keep, verbose);
        AddHelp(
            verb,
            "  printf 'client_address=192.0.2.7\\n\\n' | policyd client -h 127.0.0.1:12345\n  policyd client -s "
                + "/run/policyd/policy.sock -k -v < requests.txt",
            "--help",
            "-?");
        verb.SetAction((result, cancellation) =>
            new ClientCommand(
                new ClientOptions(Endpoint(result), result.GetValue(keep), result.GetValue(verbose)),
                input,
                output,
                error).RunAsync(cancellation));
        return verb;
    }

    private PolicyEndpoint Endpoint(ParseResult result)
    {
        var (host, socket) = (result.GetValue(_host), result.GetValue(_socket));
        if (host is not null && socket is not null)
        {
            throw new CommandException(ExitCode.Usage, "-h and -s cannot be used together");
        }

        if (socket is not null)
        {
            return PolicyEndpoint.SocketPathProblem(socket) is { } problem
                ? throw new CommandException(ExitCode.Usage, $"-s: {problem}")
                : PolicyEndpoint.Unix(socket);
        }

        return PolicyEndpoint.TryParse(host ?? "127.0.0.1:12345", out var endpoint, out var why)
            ? endpoint
            : throw new CommandException(ExitCode.Usage, $"-h: {why}");
    }

    internal static Option<string?> ConfigOption() =>
        new("--config", "-c") { Description = "The configuration, HOCON or mtpolicyd.conf.", HelpName = "FILE" };

    private static Option<bool> ForegroundOption() => new("--foreground", "-f")
    {
        Description = "Log to stdout, even if the configuration says otherwise. (policyd always stays in the foreground.)"
    };

    private static Option<int?> LevelOption()
    {
        var option = new Option<int?>("--loglevel", "-l")
        {
            Description = "0 err, 1 warning, 2 notice, 3 info, 4 debug; overrides the configuration.",
            HelpName = "LEVEL",
        };
        option.Validators.Add(static result =>
        {
            if (result.Tokens is [var token] && token.Value is not ("0" or "1" or "2" or "3" or "4"))
            {
                result.AddError($"The log level is a number from 0 (err) to 4 (debug), not '{token.Value}'.");
            }
        });
        return option;
    }

    internal static void AddAll(Command command, params ReadOnlySpan<Option> options)
    {
        foreach (var option in options)
        {
            command.Options.Add(option);
        }
    }

    // Every verb has its own help option instead of the root's recursive one, because -h of the client is its host.
    internal static void AddHelp(Command command, string examples, string name, params string[] aliases)
    {
        var help = new HelpOption(name, aliases) { Recursive = false };
        help.Action = new HelpWithExamples((HelpAction)help.Action!, examples);
        command.Options.Add(help);
    }

    private static string RootExamples { get; } = $"""
          policyd                                             serve the first configuration found (see below)
          policyd -c /etc/mtpolicyd/mtpolicyd.conf            serve an unchanged configuration of mtpolicyd
          policyd check -c policyd.hocon                      show every error with its place
          policyd convert mtpolicyd.conf > policyd.hocon
          printf 'client_address=192.0.2.7\n\n' | policyd client -h 127.0.0.1:12345
          policyd replay requests.jsonl -c new.hocon          show which answers to recorded mail a change would alter
          policyd counter list client_address                 show who has sent the most mail this month
          policyd explain client_address=192.0.2.7            show what would become of a request, and why
          policyd trace --action reject                       follow what the running server refuses
          policyd cluster show                                show the members of the cluster

        Configuration without -c: the first of these files that exists:
          {string.Join("\n  ", ConfigurationSearch.Places)}

        Exit codes (sysexits.h): 0 fine, 64 usage, 65 bad input, 66 no such file, 69 server unavailable, 70 internal error,
          71 cannot listen, 73 cannot create a file, 74 I/O error, 75 a node of a cluster is to be started again, 76 bad answer,
          77 no permission, 78 configuration error. 1: replay found another answer, decisions found nothing.
        Signals: TERM and INT stop the server after it has answered the requests in flight; HUP reads the configuration
          anew and reopens the log file, USR1 only reopens it.
        """;
}
