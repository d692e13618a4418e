using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Policyd.Bench.Databases;
using Policyd.Bench.Load;
using Policyd.Bench.Servers;

namespace Policyd.Bench.Compare;

/// <summary>How to start one of the servers that are compared.</summary>
/// <param name="Command">Program and arguments; the word {config} stands for the file of <paramref name="Configuration"/>.</param>
/// <param name="Template">Text of a configuration that is written anew for each start; {port} in it is that of <paramref
/// name="Endpoint"/>, {directory} a fresh directory.</param>
/// <param name="IsOurs">True for policyd: the stages of its memory are for it, and its answers are checked.</param>
public sealed record ContenderStart(
    string Name, IReadOnlyList<string> Command, EndPoint Endpoint, string? Template = null, bool IsOurs = false)
{
    /// <summary>The configuration with its port.</summary>
    public string? Configuration => Endpoint is IPEndPoint { Port: var port }
        ? Template?.Replace("{port}", port.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)
        : Template;

    /// <summary>Its configuration names a database, which is a fresh one at each start.</summary>
    public bool Counts => Template?.Contains(Chains.Connection, StringComparison.Ordinal) == true;

    /// <summary>The words that start it in <paramref name="directory"/>, with its configuration written there.</summary>
    /// <param name="connection">The options of the connection to its database.</param>
    public async Task<IReadOnlyList<string>> PrepareAsync(string directory, string? connection, CancellationToken cancellation)
    {
        if (Configuration is null)
        {
            return Command;
        }

        var file = Path.Combine(directory, "policyd.hocon");
        var text = Configuration.Replace("{directory}", directory, StringComparison.Ordinal)
            .Replace(Chains.Connection, connection, StringComparison.Ordinal);
        await File.WriteAllTextAsync(file, text, cancellation).ConfigureAwait(false);
        return [.. Command.Select(word => word == "{config}" ? file : word)];
    }
}

/// <summary>A server that the comparison has started, in a process of its own, and ends.</summary>
public sealed class Contender : IAsyncDisposable
{
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LongestJoin = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(2);

    private readonly ServerProcess _process;

    private readonly CountingDatabase? _database;

    private Contender(ContenderStart start, ServerProcess process, string directory, CountingDatabase? database)
    {
        (Start, _process, Directory, _database) = (start, process, directory, database);
    }

    public ContenderStart Start { get; }

    public string Name => Start.Name;

    public EndPoint Endpoint => Start.Endpoint;

    public int ProcessId => _process.Id;

    /// <summary>The directory of its files.</summary>
    public string Directory { get; }

    /// <summary>From the start of the process to its first answer.</summary>
    public TimeSpan FirstAnswer { get; private set; }

    /// <summary>What it has to have counted since; null where the chain has no database.</summary>
    public MailSums? Sums { get; private set; }

    /// <summary>The keys below were used by requests for new keys, or are those of the usual load.</summary>
    public long FirstUnusedKey { get; set; }

    /// <summary>Starts the server and waits for its first answer; what it prints goes to a file in <paramref name="directory"/>.</summary>
    /// <param name="databases">Makes the database of a chain that counts.</param>
    /// <exception cref="InvalidOperationException">It ended, or did not answer within 30 seconds; the message shows what it printed
    /// last.</exception>
    public static async Task<Contender> StartAsync(
        ContenderStart start, string directory, IDatabaseServer databases, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(start);
        var contender = await StartAsync(start, directory, databases, isReady: null, cancellation).ConfigureAwait(false);
        try
        {
            await contender.CountFromNowAsync(cancellation).ConfigureAwait(false);
            return contender;
        }
        catch
        {
            await contender.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>The same, but its mails do not count yet.</summary>
    /// <param name="isReady">What has to be true before it is asked for its first answer; null: nothing.</param>
    public static async Task<Contender> StartAsync(
        ContenderStart start,
        string directory,
        IDatabaseServer databases,
        Func<Contender, Task<bool>>? isReady,
        CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(start);
        // Each start is as the first one: what an earlier process has left, a file of counters for instance, is not there.
        var own = System.IO.Directory.CreateDirectory(Path.Combine(directory, $"{start.Name}-{Path.GetRandomFileName()}")).FullName;
        var database = start.Counts ? await databases.CreateAsync(own, cancellation).ConfigureAwait(false) : null;
        var command = await start.PrepareAsync(own, database?.Options, cancellation).ConfigureAwait(false);
        var clock = Stopwatch.StartNew();
        var contender = new Contender(start, ServerProcess.Start(command, own), own, database);
        try
        {
            if (isReady is not null)
            {
                await contender._process.WaitUntilAsync(contender.Name, () => isReady(contender), LongestJoin, cancellation)
                    .ConfigureAwait(false);
            }

            await contender.WaitForAnswerAsync(clock, cancellation).ConfigureAwait(false);
            return contender;
        }
        catch
        {
            await contender.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>What is in its database by now is taken off <see cref="Sums"/>.</summary>
    public async Task CountFromNowAsync(CancellationToken cancellation) =>
        Sums = _database is null ? null : await MailSums.StartAsync(_database, cancellation).ConfigureAwait(false);

    /// <summary>Asks the server to end, and ends it when it does not.</summary>
    public ValueTask DisposeAsync() => _process.DisposeAsync();

    private async Task WaitForAnswerAsync(Stopwatch clock, CancellationToken cancellation)
    {
        while (true)
        {
            try
            {
                using var socket = Sockets.Connect(Endpoint, AnswerTimeout);
                SingleRequest.Ask(socket, AnswerTimeout);
                FirstAnswer = clock.Elapsed;
                return;
            }
            catch (SocketException reason) when (_process.HasExited || clock.Elapsed > AnswerTimeout)
            {
                var printed = await _process.LastLinesAsync(cancellation).ConfigureAwait(false);
                throw new InvalidOperationException($"{Name} gave no answer ({reason.Message}). It printed last: {printed}");
            }
            catch (SocketException)
            {
                await Task.Delay(RetryDelay, cancellation).ConfigureAwait(false);
            }
        }
    }
}
