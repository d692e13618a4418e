using System.Diagnostics;
using Policyd.Bench.Compare;
using Policyd.Bench.Databases;

namespace Policyd.Bench.Postfix;

/// <summary>Sends the same mails through a real Postfix for each server: once when it has just started, and once more.</summary>
internal sealed class PostfixRun(PostfixOptions options, string directory, Action<string> report)
{
    private readonly List<PostfixRunResult> _results = [];

    /// <summary>Measures the servers one after the other.</summary>
    public static async Task<IReadOnlyList<PostfixRunResult>> RunAsync(
        IReadOnlyList<ContenderStart> servers,
        PostfixOptions options,
        string directory,
        Action<string> report,
        CancellationToken cancellation)
    {
        // Also mtpolicyd needs a database; SQLite has no server to start.
        var kind = options.WithMtpolicyd || servers.Any(server => server.Counts) ? options.Database : DatabaseKind.Sqlite;
        var databases = await DatabaseServers.StartAsync(kind, directory, cancellation).ConfigureAwait(false);
        await using var _ = databases.ConfigureAwait(false);
        var run = new PostfixRun(options, directory, report);
        foreach (var server in servers)
        {
            await run.MeasureAsync(
                await MeasuredServer.StartAsync(server, directory, databases, cancellation).ConfigureAwait(false), cancellation)
                .ConfigureAwait(false);
        }

        if (options.WithMtpolicyd)
        {
            await run.MeasureAsync(
                await MtpolicydServer.StartAsync(options.Sessions, directory, databases, cancellation).ConfigureAwait(false), cancellation)
                .ConfigureAwait(false);
        }

        return run._results;
    }

    private async Task MeasureAsync(MeasuredServer server, CancellationToken cancellation)
    {
        await using var ends = server.ConfigureAwait(false);
        var root = Directory.CreateDirectory(Path.Combine(directory, $"postfix-{Path.GetRandomFileName()}")).FullName;
        var postfix = await PostfixInstance.StartAsync(root, server.AtRecipient, server.AtEnd, cancellation).ConfigureAwait(false);
        await using var stops = postfix.ConfigureAwait(false);
        await postfix.NewLogLinesAsync(cancellation).ConfigureAwait(false);
        foreach (var name in (string[])["cold", "warm"])
        {
            var result = await SendAsync(server, postfix, name, root, cancellation).ConfigureAwait(false);
            var cost = FormattableString.Invariant($"cpu {result.ProcessorMicroseconds,6:0.0} µs/request");
            report($"{name,-6} {server.Name,-10} {result.RequestsPerSecond,8:0}/s  {cost}  {result.Sums?.ToString() ?? "not counted"}");
            _results.Add(result);
        }
    }

    private async Task<PostfixRunResult> SendAsync(
        MeasuredServer server, PostfixInstance postfix, string name, string root, CancellationToken cancellation)
    {
        var clock = Stopwatch.StartNew();
        var before = server.Processor();
        await SmtpSource.RunAsync(postfix.Endpoint, options, root, cancellation).ConfigureAwait(false);
        var (seconds, used) = (clock.Elapsed.TotalSeconds, server.Processor() - before);
        await postfix.WaitForEmptyQueueAsync(cancellation).ConfigureAwait(false);
        var (refused, warnings, first) = PostfixMailLog.Judge(await postfix.NewLogLinesAsync(cancellation).ConfigureAwait(false));
        server.Sums?.Add(options.Mails, options.Mails);
        var sums = server.Sums is { } counted ? await counted.CheckAsync(cancellation).ConfigureAwait(false) : null;
        return new PostfixRunResult(
            server.Name, name, options.Requests, seconds, used.TotalMicroseconds / options.Requests, refused, warnings, first, sums);
    }
}
