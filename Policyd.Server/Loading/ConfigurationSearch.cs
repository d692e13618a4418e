// Which configuration is meant when no -c is given. A service runs in / and finds the system's files; whoever stands in a
// checkout means the one at hand, even on a machine that has mtpolicyd installed; the copy beside the executable comes
// last, so that `policyd` alone shows something.

using Policyd.Configuration;
using Policyd.Configuration.Tree;
using Policyd.Server.ExitCodes;

namespace Policyd.Server.Loading;

internal static class ConfigurationSearch
{
    /// <summary>The places in the order they are looked at: the first file that exists is the configuration.</summary>
    public static IReadOnlyList<string> Places { get; } =
    [
        Path.Combine("config", "mtpolicyd.hocon"),
        "/etc/policyd/policyd.hocon",
        "/etc/policyd/mtpolicyd.hocon",
        "/etc/mtpolicyd/mtpolicyd.hocon",
        "/etc/mtpolicyd/mtpolicyd.conf",
        Path.Combine(AppContext.BaseDirectory, "config", "mtpolicyd.hocon"),
    ];

    /// <exception cref="CommandException">There is no such file, or it cannot be read.</exception>
    public static string Find(string? given)
    {
        var path = given ?? Places.FirstOrDefault(File.Exists)
            ?? throw new CommandException(
                ExitCode.NoInput, $"no configuration found; name one with -c FILE, or create one of {string.Join(", ", Places)}");
        Readable(path);
        return path;
    }

    /// <summary>Says in one line why a file cannot be read, before a reader would say it in its own way.</summary>
    /// <exception cref="CommandException">It cannot.</exception>
    public static void Readable(string path)
    {
        try
        {
            if (Directory.Exists(path))
            {
                throw new CommandException(ExitCode.NoInput, $"{path} is a directory, not a file");
            }

            using var file = File.OpenRead(path);
        }
        catch (UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.NoPermission, $"no permission to read {path}");
        }
        catch (Exception missing) when (missing is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CommandException(ExitCode.NoInput, $"{path}: no such file");
        }
        catch (Exception failure) when (failure is IOException or ArgumentException or NotSupportedException)
        {
            throw new CommandException(ExitCode.NoInput, $"cannot read {path}: {failure.Message}");
        }
    }

    /// <summary>Reads the file; what is wrong inside it is in the document's diagnostics.</summary>
    public static ConfigDocument Read(string path)
    {
        Readable(path);
        return ConfigurationFile.Read(path);
    }
}
