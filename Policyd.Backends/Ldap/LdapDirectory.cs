using System.Diagnostics;
using System.Globalization;
using Policyd.Plugins.Connections;
using Policyd.Plugins.Ldap;
using Policyd.Plugins.Metrics;
using Policyd.Plugins.Sources;

namespace Policyd.Backends.Ldap;

/// <summary>
/// A directory, as plugins ask it: a few connections that are opened when they are needed and kept. A kept one that the server has
/// closed meanwhile is replaced unseen; a server that is away is asked again after a pause.
/// </summary>
internal sealed class LdapDirectory(LdapConnectionOptions options, ConnectionSetup setup)
    : ILdapDirectory, IAsyncDisposable
{
    private const int MostConnections = 16;

    private readonly KeptConnections<LdapChannel> _idle = new(setup.Clock, MostConnections);
    private readonly SemaphoreSlim _free = new(MostConnections);
    private readonly BackOff _backOff = new(setup.Clock);
    private readonly SourceLog _log = new(
        string.Create(CultureInfo.InvariantCulture, $"connection {setup.Name}: ldap://{options.Host}:{options.Port}"), setup.Clock);

    /// <summary>How long an operation may take.</summary>
    public TimeSpan Timeout => options.Timeout > TimeSpan.Zero ? options.Timeout : TimeSpan.MaxValue;

    /// <summary>Searches.</summary>
    /// <exception cref="LdapException">The directory is away; that is logged already.</exception>
    /// <exception cref="OperationCanceledException">It did not answer in time; the same.</exception>
    public async ValueTask<LdapResult> SearchAsync(LdapSearch search, CancellationToken ct)
    {
        using var attempt = _backOff.Enter();
        if (attempt.IsRefused)
        {
            _log.Away(setup.Logger, null);
            SourceMetrics.Suppressed("ldap", setup.Name);
            SourceMetrics.Failed("ldap", setup.Name);
            throw new LdapException("the directory is unavailable");
        }

        var (since, asked) = (setup.Clock.GetTimestamp(), Stopwatch.GetTimestamp());
        await TakeTurnAsync(since, ct).ConfigureAwait(false);
        try
        {
            var result = await SearchKeptAsync(search, ct).ConfigureAwait(false) ?? await SearchNewAsync(search, ct).ConfigureAwait(false);
            if (result.Code is LdapResult.Busy or LdapResult.Unavailable)
            {
                throw new LdapException($"the directory cannot answer now: {result}");
            }

            attempt.Succeeded();
            _log.Back(setup.Logger);
            SourceMetrics.Answered("ldap", setup.Name, asked);
            return result;
        }
        catch (Exception exception) when (exception is LdapException or OperationCanceledException)
        {
            attempt.Failed();
            SourceMetrics.Failed("ldap", setup.Name);
            _log.Away(setup.Logger, exception is LdapException ? exception.Message : Waited.TimedOut(setup.Clock, since));
            throw;
        }
        finally
        {
            _free.Release();
        }
    }

    // Who has waited for others in vain tells nothing of the server, which answers them; but the mail goes on without it, too.
    private async ValueTask TakeTurnAsync(long since, CancellationToken ct)
    {
        try
        {
            await _free.WaitAsync(ct).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            SourceMetrics.Failed("ldap", setup.Name);
            _log.Away(setup.Logger, $"{Waited.TimedOut(setup.Clock, since)}, since {MostConnections} other searches were under way");
            throw;
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _idle.DisposeAsync();

    private async Task<LdapResult?> SearchKeptAsync(LdapSearch search, CancellationToken ct)
    {
        while (await _idle.TakeAsync().ConfigureAwait(false) is { } kept)
        {
            try
            {
                return await SearchAsync(kept, search, ct).ConfigureAwait(false);
            }
            catch (LdapException)
            {
                // The server was restarted, or closes what is idle: the next one, and in the end a new one, tells what is true.
            }
            catch (OperationCanceledException)
            {
                await _idle.CloseAsync().ConfigureAwait(false);
                throw;
            }
        }

        return null;
    }

    private async Task<LdapResult> SearchNewAsync(LdapSearch search, CancellationToken ct) =>
        await SearchAsync(await LdapChannel.OpenAsync(options, ct).ConfigureAwait(false), search, ct).ConfigureAwait(false);

    private async Task<LdapResult> SearchAsync(LdapChannel channel, LdapSearch search, CancellationToken ct)
    {
        var isWhole = false;
        try
        {
            var result = await channel.SearchAsync(search, ct).ConfigureAwait(false);
            isWhole = true;
            return result;
        }
        finally
        {
            if (isWhole)
            {
                await _idle.KeepAsync(channel).ConfigureAwait(false);
            }
            else
            {
                await channel.DisposeAsync().ConfigureAwait(false);
            }
        }
    }
}
