namespace Policyd.Server.Logging;

/// <summary>A file that this process appends to. Others may read it, move it away and delete it meanwhile, as log rotation does.</summary>
internal static class AppendedFile
{
    /// <summary>For the server's user alone.</summary>
    public const UnixFileMode Own = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Opens it; one that is not there is made.</summary>
    /// <param name="path">The path.</param>
    /// <param name="mode">The mode of a file that is made.</param>
    /// <exception cref="IOException">It cannot be opened.</exception>
    /// <exception cref="UnauthorizedAccessException">The same, for want of permission.</exception>
    public static FileStream Open(string path, UnixFileMode mode)
    {
        var options = new FileStreamOptions
        {
            Mode = FileMode.Append,
            Access = FileAccess.Write,
            Share = FileShare.ReadWrite | FileShare.Delete,
            BufferSize = 0,
        };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = mode;
        }

        return new FileStream(path, options);
    }
}
