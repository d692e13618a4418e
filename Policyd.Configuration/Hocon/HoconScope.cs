namespace Policyd.Configuration.Hocon;

/// <summary>
/// Where the parser stands: in which object and under which keys. Substitutions of an included file are looked up below the place of the
/// include first, and then where the including file would look.
/// </summary>
/// <param name="Root">The object that paths begin in: the document's, or the nearest one that is an array's element (no path leads into an
/// array).</param>
/// <param name="Prefix">The keys from <paramref name="Root"/> to here.</param>
/// <param name="FileBases">The roots of the files being parsed, as lookups of an empty path; innermost first.</param>
internal sealed record HoconScope(HoconObjectLiteral Root, IReadOnlyList<string> Prefix, IReadOnlyList<HoconLookup> FileBases)
{
    public static HoconScope Document(HoconObjectLiteral root) => new(root, [], [new HoconLookup(root, [])]);

    public HoconScope Below(IReadOnlyList<string> path) => this with { Prefix = [.. Prefix, .. path] };

    public HoconScope Element(HoconObjectLiteral element) => this with { Root = element, Prefix = [] };

    public HoconScope Included()
    {
        var here = new HoconLookup(Root, Prefix);
        return Prefix.Count == 0 && ReferenceEquals(FileBases[0].Root, Root) && FileBases[0].Path.Count == 0
            ? this
            : this with { FileBases = [here, .. FileBases] };
    }

    public IReadOnlyList<HoconLookup> LookupsOf(IReadOnlyList<string> path) =>
        [.. FileBases.Select(file => file.Path.Count == 0 ? file with { Path = path } : file with { Path = [.. file.Path, .. path] })];

    public HoconLookup Self(IReadOnlyList<string> path) => new(Root, [.. Prefix, .. path]);
}
