using System.Globalization;

namespace Policyd.Backends.Dsn;

/// <summary>
/// The data sources of DBD::SQLite: a file's name as it is, or settings between semicolons of which one names the file. A name that begins
/// with
/// <c>file:</c> is a URI (sqlite.org/uri.html).
/// </summary>
internal static class SqliteDsn
{
    private const string Known = "dbname (db, database), uri, sqlite_open_flags";

    // SQLITE_OPEN_READONLY, READWRITE, CREATE and URI of sqlite3.h.
    private const int ReadOnly = 1;
    private const int ReadWrite = 2;
    private const int Create = 4;
    private const int Uri = 0x40;

    private static readonly HashSet<string> s_ignored = new(StringComparer.OrdinalIgnoreCase)
    {
        "sqlite_unicode", "sqlite_string_mode", "sqlite_use_immediate_transaction", "sqlite_see_if_its_a_number",
        "sqlite_allow_multiple_statements",
        "sqlite_extended_result_codes", "sqlite_prefer_numeric_type", "sqlite_defensive",
    };

    public static void Read(DsnSettings settings, string rest, int at)
    {
        var parts = rest.Split(';');
        if (!Array.Exists(parts, part => IsFile(KeyOf(part))))
        {
            // Without such a name all of it is the file's name, whatever it holds.
            AddUri(settings, rest, at);
            return;
        }

        foreach (var part in parts)
        {
            if (part.Trim().Length > 0)
            {
                Add(settings, KeyOf(part), part[(part.IndexOf('=', StringComparison.Ordinal) + 1)..], at);
            }

            at += part.Length + 1;
        }
    }

    public static void Add(DsnSettings settings, string key, string value, int at)
    {
        switch (key.ToLowerInvariant())
        {
            // Debian's library takes any name that begins with file: for a URI.
            case "db" or "dbname" or "database" or "uri":
                AddUri(settings, value, at);
                break;
            case "sqlite_open_flags":
                AddFlags(settings, value, at);
                break;
            default:
                if (!s_ignored.Contains(key) && !PerlDsn.IsOfDbi(key))
                {
                    throw DsnSettings.Unknown(at, Known);
                }

                break;
        }
    }

    private static string KeyOf(string part) =>
        part.IndexOf('=', StringComparison.Ordinal) is >= 0 and var equals ? part[..equals].Trim() : "";

    private static bool IsFile(string key) => key.ToLowerInvariant() is "db" or "dbname" or "database" or "uri";

    private static void AddFile(DsnSettings settings, string file, int at)
    {
        if (file.Length == 0)
        {
            throw new FormatException("the DBI data source contains no file name; write dbi:SQLite:dbname=FILE");
        }

        // A name that only looks like a URI, which the library would take for one.
        settings.Add("database", file.StartsWith("file:", StringComparison.OrdinalIgnoreCase) ? "./" + file : file, at);
    }

    private static void AddUri(DsnSettings settings, string uri, int at)
    {
        if (!uri.StartsWith("file:", StringComparison.Ordinal))
        {
            // SQLite takes anything else for a file's name.
            AddFile(settings, uri, at);
            return;
        }

        var fragment = uri.IndexOf('#', StringComparison.Ordinal);
        var (path, query) = (fragment < 0 ? uri[5..] : uri[5..fragment], "");
        if (path.IndexOf('?', StringComparison.Ordinal) is >= 0 and var mark)
        {
            (path, query) = (path[..mark], path[(mark + 1)..]);
        }

        if (path.StartsWith("//", StringComparison.Ordinal))
        {
            var slash = path.IndexOf('/', 2);
            if (slash < 0 || path[2..slash] is not ("" or "localhost"))
            {
                throw new FormatException($"the URI at character {at + 1} names another host; write file:/PATH");
            }

            path = path[slash..];
        }

        foreach (var parameter in query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            AddParameter(settings, System.Uri.UnescapeDataString(parameter), at);
        }

        AddFile(settings, System.Uri.UnescapeDataString(path), at);
    }

    private static void AddParameter(DsnSettings settings, string parameter, int at)
    {
        switch (parameter)
        {
            case "mode=ro":
                settings.Add("mode", "ReadOnly", at);
                break;
            case "mode=rw":
                settings.Add("mode", "ReadWrite", at);
                break;
            case "mode=rwc":
                settings.Add("mode", "ReadWriteCreate", at);
                break;
            case "mode=memory":
                settings.Add("mode", "Memory", at);
                break;
            case "cache=private" or "cache=shared":
                settings.Add("cache", parameter == "cache=shared" ? "Shared" : "Private", at);
                break;
            default:
                throw new FormatException($"the URI at character {at + 1} has a parameter that is not supported; only mode and cache are");
        }
    }

    private static void AddFlags(DsnSettings settings, string value, int at)
    {
        if (!int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var flags)
            || (flags & ~(ReadOnly | ReadWrite | Create | Uri)) != 0)
        {
            throw DsnSettings.Impossible(
                at, "sqlite_open_flags", "only 1 (read-only), 2 (read and write) and 6 (read, write and create) are");
        }

        settings.Add(
            "mode",
            (flags & ReadOnly) != 0 ? "ReadOnly" : (flags & (ReadWrite | Create)) == ReadWrite ? "ReadWrite" : "ReadWriteCreate",
            at);
    }
}
