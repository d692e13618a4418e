using System.Globalization;
using MySqlConnector;
using Policyd.Bench.Servers;

namespace Policyd.Bench.Databases;

/// <summary>A MariaDB in a folder and on a port of its own.</summary>
internal sealed class MariaDbServer : IDatabaseServer
{
    private const string Package = "mariadb-server";

    private static readonly TimeSpan LongestStart = TimeSpan.FromMinutes(2);

    private readonly ServerProcess _process;
    private readonly int _port;
    private int _databases;

    private MariaDbServer(ServerProcess process, int port) => (_process, _port) = (process, port);

    public static async Task<MariaDbServer> StartAsync(string directory, CancellationToken cancellation)
    {
        var command = new MariaDbCommand(Path.Combine(directory, "mariadb"), FreePort.Find([]).Port);
        var client = Programs.Require("mariadb", "mariadb-client");
        var install = Programs.Require("mariadb-install-db", Package);
        var mariadbd = Programs.Require("mariadbd", Package);
        await ServerProcess.RunAsync([install, .. command.Install], directory, cancellation).ConfigureAwait(false);
        var server = new MariaDbServer(ServerProcess.Start([mariadbd, .. command.Serve], directory), command.Port);
        try
        {
            await server._process.WaitUntilAsync(
                "MariaDB", () => EndsWellAsync([client, .. command.Query("SELECT 1")], directory, cancellation), LongestStart, cancellation)
                .ConfigureAwait(false);
            await ServerProcess.RunAsync([client, .. command.Query(MariaDbCommand.MakeUser)], directory, cancellation)
                .ConfigureAwait(false);
            return server;
        }
        catch
        {
            await server.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    public async Task<CountingDatabase> CreateAsync(string directory, CancellationToken cancellation)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"bench{++_databases}");
        using var connection = Connection(string.Empty);
        await connection.OpenAsync(cancellation).ConfigureAwait(false);
        using var create = connection.CreateCommand();
        create.CommandText = $"CREATE DATABASE {name}";
        await create.ExecuteNonQueryAsync(cancellation).ConfigureAwait(false);
        var dsn = string.Create(CultureInfo.InvariantCulture, $"dsn = \"dbi:mysql:database={name};host=127.0.0.1;port={_port}\"");
        return new CountingDatabase(
            $"module = Sql, {dsn}, user = policyd, password = secret",
            $"{dsn}\n  user = \"policyd\"\n  password = \"secret\"",
            () => Connection(name),
            "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()");
    }

    public ValueTask DisposeAsync() => _process.DisposeAsync();

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

    private MySqlConnection Connection(string database) => new(new MySqlConnectionStringBuilder
    {
        Server = "127.0.0.1",
        Port = (uint)_port,
        UserID = "policyd",
        Password = "secret",
        Database = database,
        Pooling = false,
    }.ConnectionString);
}
