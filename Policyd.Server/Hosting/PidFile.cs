using System.Globalization;
using Policyd.Server.ExitCodes;
using Policyd.Server.Logging;

namespace Policyd.Server.Hosting;

/// <summary>The <c>pid_file</c>: written when the server listens, removed at its end unless another process took it over.</summary>
internal sealed class PidFile : IDisposable
{
    private readonly string _path;
    private readonly string _content = Environment.ProcessId.ToString(CultureInfo.InvariantCulture) + "\n";

    /// <exception cref="CommandException">The file cannot be written.</exception>
    public PidFile(string path)
    {
        _path = path;
        try
        {
            using var read = AppendedFile.ThatIsRead(path);
            File.WriteAllText(path, _content);
        }
        catch (UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.NoPermission, $"no permission to write the pid_file {path}");
        }
        catch (IOException failure)
        {
            throw new CommandException(ExitCode.CannotCreate, $"cannot write the pid_file {path}: {failure.Message}");
        }
    }

    public void Dispose()
    {
        try
        {
            if (File.Exists(_path) && File.ReadAllText(_path) == _content)
            {
                File.Delete(_path);
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // The folder became read-only or went away: the file names a process that is gone, which its reader can see.
            return;
        }
    }
}
