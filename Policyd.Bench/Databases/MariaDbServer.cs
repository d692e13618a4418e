using System.Data.Common;
using System.Globalization;
using MySqlConnector;
using Policyd.Bench.Servers;

namespace Policyd.Bench.Databases;

/// <summary>A MariaDB in a folder and on a port of its own.</summary>
internal sealed class MariaDbServer : SqlServerProcess
{
    private const string Package = "mariadb-server";

    private MariaDbServer(ServerProcess process, int port)
        : base(process, port)
    {
    }

    protected override string AnyDatabase => string.Empty;

    public static async Task<MariaDbServer> StartAsync(string directory, CancellationToken cancellation)
    {
        var command = new MariaDbCommand(Path.Combine(directory, "mariadb"), FreePort.Find([]).Port);
        var client = Programs.Require("mariadb", "mariadb-client");
        var install = Programs.Require("mariadb-install-db", Package);
        var mariadbd = Programs.Require("mariadbd", Package);
        await ServerProcess.RunAsync([install, .. command.Install], directory, cancellation).ConfigureAwait(false);
        var server = new MariaDbServer(ServerProcess.Start([mariadbd, .. command.Serve], directory), command.Port);
        await server.StartedAsync(
            "MariaDB",
            () => EndsWellAsync([client, .. command.Query("SELECT 1")], directory, cancellation),
            () => ServerProcess.RunAsync([client, .. command.Query(MariaDbCommand.MakeUser)], directory, cancellation),
            cancellation).ConfigureAwait(false);
        return server;
    }

    protected override CountingDatabase Named(string database)
    {
        var dsn = string.Create(CultureInfo.InvariantCulture, $"dsn = \"dbi:mysql:database={database};host=127.0.0.1;port={Port}\"");
        return new CountingDatabase(
            $"module = Sql, {dsn}, user = policyd, password = secret",
            $"{dsn}\n  user = \"policyd\"\n  password = \"secret\"",
            () => Connection(database),
            "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()");
    }

    protected override DbConnection Connection(string database) => new MySqlConnection(new MySqlConnectionStringBuilder
    {
        Server = "127.0.0.1",
        Port = (uint)Port,
        UserID = "policyd",
        Password = "secret",
        Database = database,
        Pooling = false,
    }.ConnectionString);

    private static async Task<bool> EndsWellAsync(IReadOnlyList<string> command, string directory, CancellationToken cancellation)
    {
        try
        {
            await ServerProcess.RunAsync(command, directory, cancellation).ConfigureAwait(false);
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }
}
