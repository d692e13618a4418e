namespace Policyd.Plugins.LookupFiles;

/// <summary>
/// The content of a file that another program rewrites while the server runs. The last content that could be read stays until there is a
/// newer one.
/// </summary>
internal interface IWatchedFile<out T>
    where T : class
{
    /// <summary>What was read last; null when nothing could be read yet.</summary>
    T? Current { get; }
}
