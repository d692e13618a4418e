namespace Policyd.Backends.LookupFiles;

/// <summary>
/// Which file a Postfix map's name means and how it is read: <c>hash:FILE</c> and <c>btree:FILE</c> are FILE.db, <c>lmdb:FILE</c> is
/// FILE.lmdb,
/// <c>texthash:FILE</c> is FILE itself; a bare path is the file, as mtpolicyd has it, and its content says what it is.
/// </summary>
internal sealed record PostfixMap(string Path, Func<byte[], Dictionary<string, string>> Read)
{
    /// <summary>The map of a name; null, and why, when its type cannot be read.</summary>
    public static PostfixMap? Of(string name, Func<string, string> resolve, out string error)
    {
        error = "";
        var colon = name.IndexOf(':', StringComparison.Ordinal);
        var (type, file) = colon > 0 && !name.StartsWith('/') ? (name[..colon], name[(colon + 1)..]) : ("", name);
        switch (type)
        {
            case "":
                return new PostfixMap(resolve(file), bytes => ByContent(file, bytes));
            case "hash" or "btree":
                return new PostfixMap(resolve(file + ".db"), BerkeleyDbFile.Read);
            case "lmdb":
                return new PostfixMap(resolve(file + ".lmdb"), LmdbFile.Read);
            case "texthash":
                return new PostfixMap(resolve(file), TextHashFile.Read);
            default:
                error = $"maps of type {type} are not supported; use hash, btree, lmdb or texthash";
                return null;
        }
    }

    // A file that postmap names so is one of its kind, or damaged: never a text.
    private static Dictionary<string, string> ByContent(string name, byte[] file) =>
        LmdbFile.IsOne(file) || name.EndsWith(".lmdb", StringComparison.Ordinal) ? LmdbFile.Read(file)
        : BerkeleyDbFile.IsOne(file) || name.EndsWith(".db", StringComparison.Ordinal) ? BerkeleyDbFile.Read(file)
        : TextHashFile.Read(file);
}
