namespace Policyd.Plugins.Sources;

/// <summary>
/// Computations that all who want the same at the same time share. A caller that is cancelled leaves, and the computation goes on for the
/// others; when the last has left it is cancelled. It is not theirs for good when it fails: it may have failed by what the first caller
/// has, such as the time that is left to him. So each of the others then wants it once more, in one computation again.
/// </summary>
internal sealed class SharedCalls
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(string Key, Type Type), object> _calls = [];

    /// <summary>How many computations run.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _calls.Count;
            }
        }
    }

    /// <summary>Computes, or waits for somebody's computation.</summary>
    /// <typeparam name="T">What comes of it. Computations of different types are different ones.</typeparam>
    /// <param name="key">What is computed.</param>
    /// <param name="compute">Computes it; its token is cancelled when nobody waits any more.</param>
    /// <param name="ct">The caller's time.</param>
    public async ValueTask<T> RunAsync<T>(string key, Func<CancellationToken, ValueTask<T>> compute, CancellationToken ct)
    {
        for (var hasJoined = false; ; hasJoined = true)
        {
            var call = Join<T>(key, out var isOwn);
            try
            {
                if (isOwn)
                {
                    _ = ComputeAsync(key, call, compute);
                }

                return await call.Result.Task.WaitAsync(ct).ConfigureAwait(false);
            }
            catch (Exception) when (!isOwn && !hasJoined && !ct.IsCancellationRequested)
            {
                // Once more.
            }
            finally
            {
                Leave(key, call);
            }
        }
    }

    private Call<T> Join<T>(string key, out bool isOwn)
    {
        lock (_lock)
        {
            isOwn = !_calls.TryGetValue((key, typeof(T)), out var running);
            var call = isOwn ? new Call<T>() : (Call<T>)running!;
            call.Callers++;
            _calls[(key, typeof(T))] = call;
            return call;
        }
    }

    private void Leave<T>(string key, Call<T> call)
    {
        lock (_lock)
        {
            if (--call.Callers > 0 || call.Result.Task.IsCompleted)
            {
                return;
            }

            Remove(key, call);
        }

        call.Result.Task.Abandon();
        call.Stop.Cancel();
    }

    private async Task ComputeAsync<T>(string key, Call<T> call, Func<CancellationToken, ValueTask<T>> compute)
    {
        try
        {
            var result = await compute(call.Stop.Token).ConfigureAwait(false);
            RemoveNow(key, call);
            call.Result.TrySetResult(result);
        }
        catch (Exception exception)
        {
            // First away: who wants it once more must not find this one.
            RemoveNow(key, call);
            call.Result.TrySetException(exception);
        }
    }

    private void RemoveNow<T>(string key, Call<T> call)
    {
        lock (_lock)
        {
            Remove(key, call);
        }
    }

    private void Remove<T>(string key, Call<T> call)
    {
        if (_calls.TryGetValue((key, typeof(T)), out var running) && ReferenceEquals(running, call))
        {
            _calls.Remove((key, typeof(T)));
        }
    }

    // Its source has no timer and no handle: nothing of it must end.
    private sealed class Call<T>
    {
        public int Callers { get; set; }

        public CancellationTokenSource Stop { get; } = new();

        public TaskCompletionSource<T> Result { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
