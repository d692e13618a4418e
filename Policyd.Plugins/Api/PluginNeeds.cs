namespace Policyd.Plugins.Api;

/// <summary>
/// What a plugin has asked for while it was initialized. A reload keeps the plugin, with all that it remembers, only while its options and
/// all of this are as they were.
/// </summary>
internal sealed class PluginNeeds
{
    private readonly HashSet<string> _connections = new(StringComparer.Ordinal);
    private readonly HashSet<string> _shares = new(StringComparer.Ordinal);
    private readonly Dictionary<string, FileState> _files = new(StringComparer.Ordinal);

    /// <summary>The connections, by name.</summary>
    public IReadOnlyCollection<string> Connections => _connections;

    /// <summary>Whether it asks DNS.</summary>
    public bool UsesDns { get; set; }

    /// <summary>What it has in common with other plugins, so that their options matter to it as well.</summary>
    public IReadOnlyCollection<string> Shares => _shares;

    public void AddConnection(string name) => _connections.Add(name);

    public void AddShared(string what) => _shares.Add(what);

    /// <summary>It uses counters of a connection, which others may use as well.</summary>
    public void AddCounters(string connection) => AddShared(CountersOn(connection));

    /// <summary>Whether it uses counters of a connection.</summary>
    public bool CountersOf(string connection) => _shares.Contains(CountersOn(connection));

    private static string CountersOn(string connection) => $"counters of {connection}";

    /// <summary>It reads a file.</summary>
    public void AddFile(string path) => _files[path] = FileState.Of(path);

    /// <summary>Whether the files are those that it has read, or would read now.</summary>
    public bool HasFilesOf(PluginNeeds other) =>
        _files.Count == other._files.Count && _files.All(file => other._files.TryGetValue(file.Key, out var state) && state == file.Value);

    private readonly record struct FileState(bool IsThere, long Length, DateTime Written)
    {
        public static FileState Of(string path)
        {
            try
            {
                var file = new FileInfo(path);
                return file.Exists ? new FileState(true, file.Length, file.LastWriteTimeUtc) : default;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
            {
                return default;
            }
        }
    }
}
