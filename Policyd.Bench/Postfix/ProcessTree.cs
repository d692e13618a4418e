using System.Globalization;

namespace Policyd.Bench.Postfix;

/// <summary>
/// The processor time of a process and its children, also of those that have ended: from proc_pid_stat(5), in steps of 10 ms.
/// </summary>
internal static class ProcessTree
{
    private const double TicksPerSecond = 100;

    // Counted from the field behind the name, which may hold anything.
    private const int Parent = 1;
    private const int User = 11;
    private const int System = 12;
    private const int UserOfEndedChildren = 13;
    private const int SystemOfEndedChildren = 14;

    public static TimeSpan Processor(int root)
    {
        var all = Directory.EnumerateDirectories("/proc")
            .Select(folder => int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? id : 0)
            .Where(id => id > 0)
            .Select(id => (Id: id, Stat: Fields(id)))
            .Where(process => process.Stat.Length > 0)
            .ToArray();
        var tree = new HashSet<int> { root };
        for (var known = 0; known != tree.Count;)
        {
            known = tree.Count;
            tree.UnionWith(all.Where(process => tree.Contains((int)Number(process.Stat, Parent))).Select(process => process.Id));
        }

        var ticks = all.Where(process => tree.Contains(process.Id)).Sum(process => Number(process.Stat, User)
            + Number(process.Stat, System)
            + Number(process.Stat, UserOfEndedChildren)
            + Number(process.Stat, SystemOfEndedChildren));
        return TimeSpan.FromSeconds(ticks / TicksPerSecond);
    }

    private static long Number(string[] fields, int index) => long.Parse(fields[index], CultureInfo.InvariantCulture);

    private static string[] Fields(int id)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{id}/stat");
            return stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        }
        catch (IOException)
        {
            return []; // it has just ended
        }
    }
}
