using System.Buffers.Text;
using System.Runtime.InteropServices;
using System.Runtime.Loader;
using System.Text;

namespace Policyd.Server.Hosting;

/// <summary>
/// Pages of assemblies that a server was using and is not any more: most of them were needed by its start only. The runtime maps each
/// assembly twice, to run it and to read its metadata, and what was touched stays resident: two fifths of an idle server. Here it is given
/// back. Nothing is lost, for it is the same as in the file: a page that is needed again comes from the kernel's cache of files.
/// </summary>
/// <param name="smaps">Where the kernel tells the mappings of this process.</param>
internal sealed partial class ProgramPages(string smaps = "/proc/self/smaps")
{
    private const int DontNeed = 4; // MADV_DONTNEED

    private HashSet<MappedRange> _before = [];

    /// <summary>
    /// Gives back what was mapped at the call before as well. Assemblies of the default context are never unloaded, and are complete once
    /// they are listed, so that these mappings stay as they are. Another mapping of the same file, of code that reads its version for
    /// example, is gone at the next call.
    /// </summary>
    public void GiveBack()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        byte[] lines;
        try
        {
            lines = File.ReadAllBytes(smaps);
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            return;   // a changed root may be without /proc
        }

        var files = AssemblyLoadContext.Default.Assemblies.Select(static assembly => assembly.GetName().Name + ".dll").ToHashSet();
        var found = Mappings(lines).Where(one => files.Contains(one.File)).Select(static one => one.Range).ToHashSet();
        foreach (var range in found.Where(_before.Contains))
        {
            _ = Advise(range.Start, range.Length, DontNeed);
        }

        _before = found;
    }

    /// <summary>
    /// The mappings of assemblies, without those that may differ from the file: what can be written, and what has pages of its own, as
    /// after a debugger has set a breakpoint. A mapping's first line is <c>START-END PERMISSIONS OFFSET DEVICE INODE PATH</c>, and the
    /// others are <c>NAME: VALUE</c>.
    /// </summary>
    /// <param name="lines">What <c>/proc/PID/smaps</c> says: some ten thousand lines, of which few matter.</param>
    internal static List<(MappedRange Range, string File)> Mappings(ReadOnlySpan<byte> lines)
    {
        List<(MappedRange Range, string File)> found = [];
        (MappedRange Range, string File)? current = null;
        foreach (var part in lines.Split((byte)'\n'))
        {
            var line = lines[part];
            if (line.Length > 0 && line[0] is not (>= (byte)'A' and <= (byte)'Z'))
            {
                current = TryRead(line, out var mapping) ? mapping : null;
            }
            else if (current is { } unchanged && line.StartsWith("Anonymous:"u8) && line.EndsWith(" 0 kB"u8))
            {
                found.Add(unchanged);
            }
        }

        return found;
    }

    private static bool TryRead(ReadOnlySpan<byte> line, out (MappedRange Range, string File) mapping)
    {
        mapping = default;
        if (!line.EndsWith(".dll"u8)
            || !Utf8Parser.TryParse(line, out ulong start, out var length, 'x') || line[length..] is not [(byte)'-', .. var behind]
            || !Utf8Parser.TryParse(behind, out ulong end, out length, 'x') || end <= start
            || !(behind[length..].StartsWith(" r--s "u8) || behind[length..].StartsWith(" r-xp "u8)))
        {
            return false;
        }

        mapping = (new MappedRange((nuint)start, (nuint)(end - start)), Encoding.UTF8.GetString(line[(line.LastIndexOf((byte)'/') + 1)..]));
        return true;
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(nuint address, nuint length, int advice);

    internal readonly record struct MappedRange(nuint Start, nuint Length);
}
