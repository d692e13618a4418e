using System.Net;
using Policyd.Bench.Compare;
using Policyd.Bench.Databases;
using Policyd.Bench.Load;
using Policyd.Bench.Servers;

namespace Policyd.Bench.Postfix;

/// <summary>A policy server that has started and given its first answer.</summary>
/// <param name="AtRecipient">Where it is asked for recipients.</param>
/// <param name="AtEnd">Where it is asked at the end of a message.</param>
/// <param name="Processor">Its processor time since its start, that of its children included.</param>
internal sealed record MeasuredServer(
    string Name, EndPoint AtRecipient, EndPoint AtEnd, MailSums? Sums, Func<TimeSpan> Processor, IReadOnlyList<IAsyncDisposable> Owned)
    : IAsyncDisposable
{
    // For a configuration that counts in a virtual host of its own.
    private const string EndPort = "{end_port}";

    public static async Task<MeasuredServer> StartAsync(
        ContenderStart start, string directory, IDatabaseServer databases, CancellationToken cancellation)
    {
        var atEnd = start.Endpoint;
        if (start.Template?.Contains(EndPort, StringComparison.Ordinal) == true)
        {
            var own = FreePort.Find([((IPEndPoint)start.Endpoint).Port]);
            var text = start.Template.Replace(EndPort, FormattableString.Invariant($"{own.Port}"), StringComparison.Ordinal);
            (start, atEnd) = (start with { Template = text }, own);
        }

        var contender = await Contender.StartAsync(start, directory, databases, cancellation).ConfigureAwait(false);
        return new MeasuredServer(
            start.Name, start.Endpoint, atEnd, contender.Sums, () => ProcessorClock.Read(contender.ProcessId), [contender]);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var owned in Owned)
        {
            await owned.DisposeAsync().ConfigureAwait(false);
        }
    }
}
