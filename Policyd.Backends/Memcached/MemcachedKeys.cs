using System.Security.Cryptography;
using System.Text;

namespace Policyd.Backends.Memcached;

/// <summary>What a key is on the wire, and which server has it.</summary>
internal static class MemcachedKeys
{
    private const int MaxKeyBytes = 250;

    /// <summary>
    /// The key as it is, when memcached takes it: printable ASCII without spaces, at most 250 bytes. Any other is <c>sha256:</c> and the
    /// hash of its UTF-8 in hexadecimal: instances and senders' names come from strangers, who must not be able to write commands.
    /// </summary>
    public static string ToWire(string key) =>
        key.Length is > 0 and <= MaxKeyBytes && !key.AsSpan().ContainsAnyExceptInRange('!', '~')
            ? key
            : "sha256:" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)));

    /// <summary>FNV-1a, 64 bits, of the text's UTF-16 units: the same on every node and after every start.</summary>
    public static ulong Hash(string text)
    {
        var hash = 14695981039346656037UL;
        foreach (var c in text)
        {
            hash = (hash ^ c) * 1099511628211UL;
        }

        return hash;
    }

    /// <summary>
    /// Rendezvous hashing: the server whose hash, mixed with the key's, is the highest. So a server that is added or removed moves only
    /// the keys that it gets or had, and the order of the servers does not matter.
    /// </summary>
    /// <param name="servers">The hashes of the servers' names.</param>
    /// <param name="key">The key on the wire.</param>
    public static int ServerOf(ReadOnlySpan<ulong> servers, string key)
    {
        var hash = Hash(key);
        var (best, highest) = (0, 0UL);
        for (var index = 0; index < servers.Length; index++)
        {
            var weight = Mix(servers[index] ^ hash);
            if (weight > highest)
            {
                (best, highest) = (index, weight);
            }
        }

        return best;
    }

    // The finalizer of SplitMix64: without it the weights of near hashes would be near.
    private static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9UL;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EBUL;
        return value ^ (value >> 31);
    }
}
