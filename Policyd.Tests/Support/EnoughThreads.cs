using System.Runtime.CompilerServices;

namespace Policyd.Tests.Support;

/// <summary>
/// Tests run beside each other, and some block threads of the pool. What another one waits for must not be late for that. Not set in the
/// runtime's configuration: the number could not grow any more then, as it must where a plugin blocks threads.
/// </summary>
internal static class EnoughThreads
{
    private const int Workers = 32;

    [ModuleInitializer]
    internal static void Take()
    {
        ThreadPool.GetMinThreads(out var workers, out var others);
        ThreadPool.SetMinThreads(Math.Max(workers, Workers), others);
    }
}
