namespace Policyd.Plugins.LookupFiles;

/// <summary>
/// The content of a file that another program rewrites while the server runs. The last content that could be read stays until there is a
/// newer one. Asking costs no look at the file: whether it has changed is seen beside the requests, after a second or so.
/// </summary>
/// <typeparam name="T">The content. Many requests read it at the same time.</typeparam>
public interface IWatchedFile<out T>
    where T : class
{
    /// <summary>What was read last; null when nothing could be read yet. Take it once for a request: the next call may
    /// give a newer one.</summary>
    T? Current { get; }
}
