using System.Diagnostics;

namespace Policyd.Tests.Support;

/// <summary>Waits for a condition, never for a time: the message of a failure says what was waited for.</summary>
internal static class Eventually
{
    /// <summary>Costs nothing when all is well: it is for a machine that many other programs keep busy.</summary>
    public static readonly TimeSpan Timeout = TimeSpan.FromSeconds(60);

    public static Task Holds(string whatFor, Func<bool> condition, TimeSpan? timeout = null) =>
        Holds(whatFor, () => Task.FromResult(condition()), timeout);

    public static Task Holds(string whatFor, Func<Task<bool>> condition, TimeSpan? timeout = null) =>
        Settles(() => whatFor, condition, timeout);

    /// <summary>As <see cref="Holds(string, Func{Task{bool}}, TimeSpan?)"/>; what was waited for is told as it is in the end.</summary>
    public static async Task Settles(Func<string> whatFor, Func<Task<bool>> condition, TimeSpan? timeout = null)
    {
        var waited = Stopwatch.StartNew();
        while (!await condition())
        {
            if (waited.Elapsed > (timeout ?? Timeout))
            {
                Assert.Fail($"waited {waited.Elapsed.TotalSeconds:F0} s in vain for: {whatFor()}");
            }

            await Task.Delay(10, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Awaits a task that must end; says what it was when it does not.</summary>
    public static async Task<T> Ends<T>(string what, Task<T> task, TimeSpan? timeout = null)
    {
        try
        {
            return await task.WaitAsync(timeout ?? Timeout, TestContext.Current.CancellationToken);
        }
        catch (TimeoutException)
        {
            Assert.Fail("waited in vain for: " + what);
            throw;
        }
    }
}
