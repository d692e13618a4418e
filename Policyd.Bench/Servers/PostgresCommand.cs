namespace Policyd.Bench.Servers;

/// <summary>The command lines of a PostgreSQL in a folder of its own. It refuses to run as root, so it runs as nobody then.</summary>
/// <param name="Data">The folder of its files, which is nobody's when this process is root's.</param>
public sealed record PostgresCommand(string Data, int Port)
{
    /// <summary>Where Debian has its programs.</summary>
    public static string[] Folders => Directory.Exists("/usr/lib/postgresql")
        ? [.. Directory.GetDirectories("/usr/lib/postgresql").Select(version => version + "/bin")]
        : [];

    public string[] Install => ["-D", Data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-locale"];

    public string[] Serve => ["-D", Data, "-p", $"{Port}", "-k", Data, "-c", "listen_addresses=127.0.0.1"];

    /// <summary>The words that run a program as somebody who is not root.</summary>
    public static string[] Unprivileged(string program, params string[] arguments) => Environment.UserName == "root"
        ? [Programs.Require("runuser", "util-linux"), "-u", "nobody", "--", program, .. arguments]
        : [program, .. arguments];

    /// <summary>Arguments of psql for one statement in a database.</summary>
    public string[] Query(string database, string sql) =>
        ["-h", "127.0.0.1", "-p", $"{Port}", "-U", "postgres", "-d", database, "-v", "ON_ERROR_STOP=1", "-c", sql];
}
