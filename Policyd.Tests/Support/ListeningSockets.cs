using System.Globalization;
using System.Net;
using System.Runtime.InteropServices;

namespace Policyd.Tests.Support;

/// <summary>
/// What others can reach of a process: the sockets among its descriptors that listen, and datagram sockets that take from anybody, by
/// proc_pid_net(5). One of a DNS query is connected to its server, and takes from nobody else.
/// </summary>
internal static class ListeningSockets
{
    private const string TcpListens = "0A";
    private const int UnixAccepts = 0x10000;   // __SO_ACCEPTCON
    private static readonly string[] s_tables = ["tcp", "tcp6", "udp", "udp6"];

    /// <summary>Each as "tcp 127.0.0.1:12345", "udp [::]:53" or "unix /path", in that order.</summary>
    public static IReadOnlyList<string> Of(int process)
    {
        var own = Inodes(process);
        return
        [
            .. s_tables.SelectMany(table => Internet(process, table, own)).Order(StringComparer.Ordinal),
            .. Unix(process, own).Order(StringComparer.Ordinal),
        ];
    }

    private static HashSet<string> Inodes(int process)
    {
        var inodes = new HashSet<string>();
        foreach (var descriptor in Directory.EnumerateFileSystemEntries($"/proc/{process}/fd"))
        {
            // One that is closed meanwhile has no target any more.
            if (new FileInfo(descriptor).LinkTarget is { } target && target.StartsWith("socket:[", StringComparison.Ordinal))
            {
                inodes.Add(target["socket:[".Length..^1]);
            }
        }

        return inodes;
    }

    private static IEnumerable<string> Internet(int process, string table, HashSet<string> own)
    {
        foreach (var line in File.ReadLines($"/proc/{process}/net/{table}").Skip(1))
        {
            var fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            var (local, remote, state, inode) = (fields[1], fields[2], fields[3], fields[9]);
            var open = table.StartsWith("tcp", StringComparison.Ordinal)
                ? state == TcpListens
                : remote.Split(':') is [var address, _] && address.All(one => one == '0');
            if (own.Contains(inode) && open)
            {
                yield return $"{table.TrimEnd('6')} {EndPoint(local)}";
            }
        }
    }

    private static IEnumerable<string> Unix(int process, HashSet<string> own)
    {
        foreach (var line in File.ReadLines($"/proc/{process}/net/unix").Skip(1))
        {
            // Num RefCount Protocol Flags Type St Inode Path; only one that is bound has a path.
            var fields = line.Split(' ', 8, StringSplitOptions.RemoveEmptyEntries);
            if (fields.Length == 8
                && own.Contains(fields[6])
                && (int.Parse(fields[3], NumberStyles.HexNumber, CultureInfo.InvariantCulture) & UnixAccepts) != 0)
            {
                yield return $"unix {fields[7]}";
            }
        }
    }

    /// <summary>The kernel prints each 32 bits of an address as the number that they are in this machine's order.</summary>
    private static IPEndPoint EndPoint(string text)
    {
        var parts = text.Split(':');
        var words = parts[0].Chunk(8).Select(word => uint.Parse(word, NumberStyles.HexNumber, CultureInfo.InvariantCulture)).ToArray();
        var address = new IPAddress(MemoryMarshal.AsBytes(words.AsSpan()));
        return new IPEndPoint(
            address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address,
            int.Parse(parts[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture));
    }
}
