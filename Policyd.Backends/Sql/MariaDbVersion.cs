using System.Text.RegularExpressions;

namespace Policyd.Backends.Sql;

/// <summary>What a MariaDB understands that a MySQL does not, by the version that its handshake tells.</summary>
internal static partial class MariaDbVersion
{
    // mariadb.com/kb/en/insertreturning
    private static readonly Version s_returning = new(10, 5);

    /// <summary>
    /// Whether INSERT … RETURNING is understood. False for all that does not call itself MariaDB, as proxies do: it may be MySQL.
    /// </summary>
    public static bool KnowsReturning(string serverVersion) =>
        Pattern().Match(serverVersion) is { Success: true } match && Version.Parse(match.Groups[1].ValueSpan) >= s_returning;

    // 11.4.2-MariaDB-ubu2404; 5.5.5-10.11.6-MariaDB, as it calls itself for old replicas of MySQL.
    [GeneratedRegex(@"^(?:5\.5\.5-)?([0-9]{1,9}\.[0-9]{1,9})[.0-9]*-MariaDB", RegexOptions.CultureInvariant)]
    private static partial Regex Pattern();
}
