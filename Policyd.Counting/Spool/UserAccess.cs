using System.Runtime.InteropServices;

namespace Policyd.Counting.Spool;

/// <summary>What the user of this process may do with files, by the rights of the system and not by a try.</summary>
internal static partial class UserAccess
{
    private const int Write = 2;
    private const int Enter = 1;

    /// <summary>Whether an existing file may be written.</summary>
    public static bool MayWrite(string file) => OperatingSystem.IsWindows() || Access(file, Write) == 0;

    /// <summary>Whether files may be made in an existing folder.</summary>
    public static bool MayCreateIn(string folder) => OperatingSystem.IsWindows() || Access(folder, Write | Enter) == 0;

    /// <summary>What to say of one who may not.</summary>
    public static string CannotCreateIn(string folder) => $"the user {Environment.UserName} cannot create files in {folder}";

    [LibraryImport("libc", EntryPoint = "access", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Access(string path, int mode);
}
