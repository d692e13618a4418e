using System.Text;
using Policyd.Plugins.Api;

namespace Policyd.Backends.LookupFiles;

/// <summary>
/// A file of keys and values that a plugin looks things up in, read as a whole: at the start, and again when it has changed.
/// </summary>
internal static class LookupFile
{
    // Beyond it a file is no map of addresses any more, and reading it at each change would cost more than it is worth.
    private const long Largest = 256L * 1024 * 1024;
    private static readonly TimeSpan s_betweenLooks = TimeSpan.FromSeconds(1);

    /// <summary>The file that an option names.</summary>
    /// <param name="setup">The plugin's.</param>
    /// <param name="option">The option.</param>
    /// <param name="path">The file.</param>
    /// <param name="read">What its bytes hold.</param>
    /// <param name="without">What it means that it cannot be read, for the warning at the start.</param>
    public static ReloadedFile<Dictionary<string, string>> Open(
        PluginSetup setup, string option, string path, Func<byte[], Dictionary<string, string>> read, string without) =>
        ReloadedFile<Dictionary<string, string>>.For(setup, option, path, one => read(ReadWhole(one)), s_betweenLooks, without);

    /// <summary>A key or a value, each byte as one character (Latin-1), without the zero byte that Postfix may end it with.</summary>
    public static string Text(ReadOnlySpan<byte> bytes) => Encoding.Latin1.GetString(bytes is [.., 0] ? bytes[..^1] : bytes);

    private static byte[] ReadWhole(string path)
    {
        var before = FileVersion.Of(path);
        if (before.Length > Largest)
        {
            throw new InvalidDataException($"{path} is larger than {Largest / 1024 / 1024} MiB");
        }

        using (var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0))
        {
            if (LmdbSnapshot.Take(file, Largest) is { } snapshot)
            {
                return snapshot;
            }
        }

        var bytes = File.ReadAllBytes(path);
        return FileVersion.Of(path) == before && bytes.Length == before.Length
            ? bytes
            : throw new InvalidDataException($"{path} is being written to");
    }
}
