// What policyd-client does: attributes from stdin, an empty line ends a request, the action goes to stdout. It differs in
// three places where the original loses something: a last request without an empty line is sent too, request= and
// instance= in the input are kept instead of doubled, and a server that does not answer ends it with an exit code.

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
            while (await RequestInput.ReadAsync(input, cancellationToken) is { } request)
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
        var builder = RequestInput.Builder(request);
        foreach (var (name, value) in request)
        {
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

    private Task VerboseAsync(string line) => options.Verbose ? error.WriteLineAsync(Logging.LogText.OneLine(line)) : Task.CompletedTask;
}
