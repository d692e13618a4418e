// What policyd-client does: attributes from stdin, an empty line ends a request, the action goes to stdout. It differs in
// three places where the original loses something: a last request without an empty line is sent too, request= and
// instance= in the input are kept instead of doubled, and a server that does not answer ends it with an exit code.

using System.Globalization;
using Policyd.Protocol;
using Policyd.Server.ExitCodes;

namespace Policyd.Server.Commands;

internal sealed record ClientOptions(PolicyEndpoint Endpoint, bool KeepConnection, bool Verbose)
{
    /// <summary>How long connecting and each answer may take; Postfix waits as long (smtpd_policy_service_timeout).</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(100);
}

internal sealed class ClientCommand(ClientOptions options, TextReader input, TextWriter output, TextWriter error)
{
    /// <exception cref="CommandException">The server cannot be reached or does not answer, or a line of the input is no
    /// attribute.</exception>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        PolicyClient? client = null;
        try
        {
            while (await ReadRequestAsync(cancellationToken) is { } request)
            {
                client = await ConnectedAsync(client, cancellationToken);
                await AskAsync(client, request, cancellationToken);
                if (!options.KeepConnection)
                {
                    await client.DisposeAsync();
                    client = null;
                }
            }

            return ExitCode.Ok;
        }
        finally
        {
            if (client is not null)
            {
                await client.DisposeAsync();
            }
        }
    }

    private async Task<PolicyClient> ConnectedAsync(PolicyClient? kept, CancellationToken cancellationToken)
    {
        if (kept is { IsUsable: true })
        {
            return kept;
        }

        if (kept is not null)
        {
            await kept.DisposeAsync();
        }

        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(options.Timeout);
        try
        {
            return await PolicyClient.ConnectAsync(options.Endpoint, timeout.Token);
        }
        catch (PolicyClientException failure)
        {
            throw new CommandException(ExitCode.Unavailable, failure.Message);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new CommandException(
                ExitCode.Unavailable, $"cannot connect to {options.Endpoint}: no answer within {options.Timeout.TotalSeconds:0} s");
        }
    }

    private async Task AskAsync(PolicyClient client, List<(string Name, string Value)> request, CancellationToken cancellationToken)
    {
        var builder = new PolicyRequestBuilder();
        foreach (var (name, value) in request)
        {
            builder.Add(name, value);
            await VerboseAsync($">> {name}={value}");
        }

        await VerboseAsync(">> ");
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(options.Timeout);
        try
        {
            var action = await client.AskAsync(builder.ToBytes(), timeout.Token);
            await VerboseAsync($"<< action={action}");
            await VerboseAsync("<< ");
            await output.WriteLineAsync(Logging.LogText.OneLine(action));
            await output.FlushAsync(cancellationToken);
        }
        catch (PolicyClientException failure)
        {
            throw new CommandException(ExitCode.Protocol, failure.Message);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new CommandException(
                ExitCode.Unavailable, $"{options.Endpoint} did not answer within {options.Timeout.TotalSeconds:0} s");
        }
    }

    /// <summary>The next request, or null at the end of the input. Empty lines before a request mean nothing.</summary>
    private async Task<List<(string Name, string Value)>?> ReadRequestAsync(CancellationToken cancellationToken)
    {
        var attributes = new List<(string Name, string Value)>();
        while (await input.ReadLineAsync(cancellationToken) is { } line)
        {
            if (line.Length == 0)
            {
                if (attributes.Count > 0)
                {
                    break;
                }

                continue;
            }

            var equals = line.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0 || line.Contains('\0', StringComparison.Ordinal))
            {
                throw new CommandException(ExitCode.DataError, $"not an attribute of the form name=value: {line}");
            }

            attributes.Add((line[..equals], line[(equals + 1)..]));
        }

        return attributes.Count == 0 ? null : Completed(attributes);
    }

    private static List<(string Name, string Value)> Completed(List<(string Name, string Value)> attributes)
    {
        if (!attributes.Exists(attribute => attribute.Name == "instance"))
        {
            attributes.Insert(0, ("instance", Random.Shared.NextDouble().ToString("0.###############", CultureInfo.InvariantCulture)));
        }

        if (!attributes.Exists(attribute => attribute.Name == "request"))
        {
            attributes.Insert(0, ("request", "smtpd_access_policy"));
        }

        return attributes;
    }

    private Task VerboseAsync(string line) => options.Verbose ? error.WriteLineAsync(Logging.LogText.OneLine(line)) : Task.CompletedTask;
}
