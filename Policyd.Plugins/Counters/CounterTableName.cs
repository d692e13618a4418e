using System.Diagnostics.CodeAnalysis;

namespace Policyd.Plugins.Counters;

/// <summary>The name of a counter table: <c>table_prefix</c> + attribute. Checked when the configuration is read.</summary>
public static class CounterTableName
{
    /// <summary>The shortest limit of the databases (PostgreSQL: 63 bytes).</summary>
    public const int MaxLength = 63;

    /// <summary>The table in which commits and their request ids stand.</summary>
    public const string Commits = "policyd_commits";

    /// <summary>The table that tells how far the spool of each node is written.</summary>
    public const string Spool = "policyd_spool";

    /// <summary>The table of a cluster's members, and which of them may commit no more.</summary>
    public const string Nodes = "policyd_nodes";

    private static readonly string[] s_reserved =
    [
        Commits, Spool, Nodes, "policyd_schema", "policyd_expiring", "policyd_cron_journal", "policyd_cron_snapshot", "policyd_members",
        "policyd_leases",
    ];

    /// <summary>Makes the name of a table, or says why the two do not make one.</summary>
    public static bool TryParse(
        string prefix, string attribute, [NotNullWhen(true)] out string? table, [NotNullWhen(false)] out string? error)
    {
        var name = prefix + attribute;
        error = Check(name);
        table = error is null ? name : null;
        return error is null;
    }

    /// <summary>Says why a text cannot name a counter table; null when it can.</summary>
    public static string? Check(string name)
    {
        if (string.IsNullOrEmpty(name))
        {
            return "a table name cannot be empty";
        }

        if (name.Length > MaxLength)
        {
            return $"'{Printable(name)}' is too long for a table name: at most {MaxLength} characters";
        }

        foreach (var c in name)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('_' or '-' or '$'))
            {
                return $"'{Printable(name)}' is not a valid table name: only letters, digits, '_', '-' and '$' are allowed";
            }
        }

        if (char.IsAsciiDigit(name[0]) || name[0] is '-' or '$')
        {
            return $"'{name}' is not a valid table name: it must begin with a letter or '_'";
        }

        return name.StartsWith("sqlite_", StringComparison.OrdinalIgnoreCase)
            || s_reserved.Contains(name, StringComparer.OrdinalIgnoreCase)
            ? $"'{name}' is a reserved table name"
            : null;
    }

    private static string Printable(string text) =>
        string.Concat((text.Length > 80 ? text[..80] + "..." : text).Select(c => c is < ' ' or > '~' ? $"\\u{(int)c:x4}" : c.ToString()));
}
