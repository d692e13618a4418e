namespace Policyd.Backends.Dsn;

/// <summary>
/// libpq's service files (postgresql.org/docs/current/libpq-pgservice.html): sections of settings, in the file that PGSERVICEFILE names,
/// else in
/// <c>~/.pg_service.conf</c>, else in <c>pg_service.conf</c> of the folder PGSYSCONFDIR (Debian's: /etc/postgresql-common).
/// </summary>
internal static class PgServiceFile
{
    private const string DebianFolder = "/etc/postgresql-common";

    /// <summary>The settings of a service.</summary>
    /// <exception cref="FormatException">There is no such service, or its file cannot be read.</exception>
    public static IReadOnlyList<(string Key, string Value)> Read(string service)
    {
        foreach (var file in Files().Where(File.Exists))
        {
            if (Find(service, file) is { } found)
            {
                return found;
            }
        }

        throw new FormatException($"the service of the data source is not defined in {string.Join(", ", Files())}");
    }

    private static IEnumerable<string> Files()
    {
        var own = Environment.GetEnvironmentVariable("PGSERVICEFILE");
        yield return string.IsNullOrEmpty(own)
            ? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".pg_service.conf")
            : own;
        var system = Environment.GetEnvironmentVariable("PGSYSCONFDIR");
        yield return Path.Combine(string.IsNullOrEmpty(system) ? DebianFolder : system, "pg_service.conf");
    }

    private static List<(string Key, string Value)>? Find(string service, string file)
    {
        List<(string Key, string Value)>? found = null;
        foreach (var line in ClientFile.Lines("service file", file, '#'))
        {
            if (line.StartsWith('['))
            {
                if (found is not null)
                {
                    break;
                }

                found = line == $"[{service}]" ? [] : null;
            }
            else if (found is not null)
            {
                var equals = line.IndexOf('=', StringComparison.Ordinal);
                found.Add(equals > 0
                    ? (line[..equals].Trim().ToLowerInvariant(), line[(equals + 1)..].Trim())
                    : throw new FormatException($"{file}: a line of the service has no '='"));
            }
        }

        return found;
    }
}
