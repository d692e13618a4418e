// What the verbs that ask the running server have in common: -c and --json, one question, and the answer as a table for people or as JSON.

using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Policyd.Server.Admin;
using Policyd.Server.ExitCodes;
using Policyd.Server.Loading;

namespace Policyd.Server.Commands;

internal abstract class AdminVerb(TextWriter output, string? json = null)
{
    /// <summary>The description of --json where each decision is a line.</summary>
    internal const string LineByLine = "Print a JSON object a line, one for each decision.";

    private static readonly JsonSerializerOptions s_indented = new() { WriteIndented = true };

    private readonly Option<string?> _config = PolicydCommandLine.ConfigOption();
    private readonly Option<bool> _json = new("--json") { Description = json ?? "Print one JSON document instead of a table." };

    protected TextWriter Output { get; } = output;

    protected string? ConfigOf(ParseResult result) => result.GetValue(_config);

    protected bool IsJson(ParseResult result) => result.GetValue(_json);

    protected Task WriteJsonAsync(JsonElement answer) => Output.WriteLineAsync(JsonSerializer.Serialize(answer, s_indented));

    protected Command Verb(string name, string description, string examples, params ReadOnlySpan<Option> options)
    {
        var verb = new Command(name, description);
        PolicydCommandLine.AddAll(verb, _config);
        PolicydCommandLine.AddAll(verb, options);
        PolicydCommandLine.AddAll(verb, _json);
        PolicydCommandLine.AddHelp(verb, examples, "--help", "-h", "-?");
        return verb;
    }

    /// <summary>Asks, and prints the answer.</summary>
    /// <param name="command">The command's name at the endpoint.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="result">The command line.</param>
    /// <param name="type">The report that the answer is.</param>
    /// <param name="print">Prints it for people.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <param name="exitCode">What the report means for a script; null: that it came is enough.</param>
    /// <exception cref="CommandException">There is no server, it refuses, or its answer is none that this version knows.</exception>
    protected async Task<int> AskAsync<T>(
        string command,
        JsonObject arguments,
        ParseResult result,
        JsonTypeInfo<T> type,
        Action<T> print,
        CancellationToken cancellationToken,
        Func<T, int>? exitCode = null)
    {
        var configuration = LoadedConfiguration.Read(result.GetValue(_config));
        var answer = await new AdminClient(configuration.EarlyOptions().Admin, configuration.Path).AskAsync(
            command, arguments, cancellationToken);
        var asJson = IsJson(result);
        if (asJson)
        {
            await WriteJsonAsync(answer);
            if (exitCode is null)
            {
                return ExitCode.Ok;
            }
        }

        try
        {
            var report = answer.Deserialize(type) ?? throw new JsonException();
            if (!asJson)
            {
                print(report);
            }

            return exitCode?.Invoke(report) ?? ExitCode.Ok;
        }
        catch (JsonException)
        {
            throw new CommandException(
                ExitCode.Protocol, "the server's answer has an unknown format: the server and this command are of different versions");
        }
    }
}
