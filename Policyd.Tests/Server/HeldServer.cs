using Policyd.Tests.Support;

namespace Policyd.Tests.Server;

/// <summary>A policy server that answers nothing before a test lets it.</summary>
internal sealed class HeldServer : IAsyncDisposable
{
    private readonly TaskCompletionSource _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ManualResetEventSlim _go = new();
    private readonly ScriptedServer _server;

    public HeldServer(string action) => _server = new ScriptedServer(_ =>
    {
        _asked.TrySetResult();
        _go.Wait(Eventually.Timeout);
        return $"action={action}\n\n";
    });

    public string Address => _server.Address;

    /// <summary>Completes when it has been asked.</summary>
    public Task Asked => _asked.Task.WaitAsync(Eventually.Timeout, TestContext.Current.CancellationToken);

    /// <summary>Answers what has been asked, and all that follows.</summary>
    public void Answer() => _go.Set();

    public async ValueTask DisposeAsync()
    {
        _go.Set();
        await _server.DisposeAsync();
        _go.Dispose();
    }
}
