namespace Policyd.Modules.DnsLists;

/// <summary>
/// The RBL plugins whose text a message of another plugin may show. Only they and those that show it themselves ask for it: the question
/// comes after that for the address, and makes the answer of a slow list twice as slow. Filled while the plugins are initialized, and read
/// only afterwards.
/// </summary>
internal sealed class ShownTexts : IAsyncDisposable
{
    private readonly HashSet<string> _plugins = new(StringComparer.Ordinal);

    /// <summary>A message may show the text that an RBL plugin gets.</summary>
    /// <param name="plugin">The name of the RBL plugin.</param>
    public void Add(string plugin) => _plugins.Add(plugin);

    /// <summary>Whether some message may show the text.</summary>
    /// <param name="plugin">The name of the RBL plugin.</param>
    public bool Has(string plugin) => _plugins.Contains(plugin);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
