namespace Policyd.Plugins.LookupFiles;

/// <summary>
/// Which file a Postfix map's name means and how it is read: <c>hash:FILE</c> and <c>btree:FILE</c> are FILE.db, <c>texthash:FILE</c> is FILE itself; a bare
/// path is the file, as mtpolicyd has it, and its content says what it is.
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
                return new PostfixMap(resolve(file), bytes => BerkeleyDbFile.IsOne(bytes) || file.EndsWith(".db", StringComparison.Ordinal) ? BerkeleyDbFile.Read(bytes) : TextHashFile.Read(bytes));
            case "hash" or "btree":
                return new PostfixMap(resolve(file + ".db"), BerkeleyDbFile.Read);
            case "texthash":
                return new PostfixMap(resolve(file), TextHashFile.Read);
            default:
                error = $"maps of type {type} cannot be read; those of hash, btree and texthash can";
                return null;
        }
    }
}
