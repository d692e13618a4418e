namespace Policyd.Bench.Servers;

/// <summary>The command lines of a MariaDB in a folder of its own, as the user mysql.</summary>
/// <param name="Data">The folder of its files.</param>
public sealed record MariaDbCommand(string Data, int Port)
{
    /// <summary>Prepares the user of the server that is tested or measured.</summary>
    public const string MakeUser = "CREATE USER 'policyd'@'127.0.0.1' IDENTIFIED BY 'secret'; GRANT ALL ON *.* TO 'policyd'@'127.0.0.1'";

    public string[] Install => ["--user=mysql", $"--datadir={Data}", TemporaryFiles, "--skip-test-db"];

    public string[] Serve =>
        [
            "--no-defaults", "--user=mysql", $"--datadir={Data}", $"--socket={Socket}", $"--port={Port}", "--bind-address=127.0.0.1",
            TemporaryFiles, "--skip-name-resolve", "--innodb-use-native-aio=0"
        ];

    // A MariaDB that starts deletes the temporary tables of all others that have the same folder for them.
    private string TemporaryFiles => $"--tmpdir={Data}";

    private string Socket => Path.Combine(Data, "s.sock");

    /// <summary>Arguments of the client for one statement; its rows come without a heading.</summary>
    public string[] Query(string sql) => ["--no-defaults", "-N", "-S", Socket, "-u", "root", "-e", sql];
}
