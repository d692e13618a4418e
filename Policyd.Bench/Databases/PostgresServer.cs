using System.Globalization;
using Npgsql;
using Policyd.Bench.Servers;

namespace Policyd.Bench.Databases;

/// <summary>A PostgreSQL in a folder and on a port of its own.</summary>
internal sealed class PostgresServer : IDatabaseServer
{
    private const string Package = "postgresql";

    private static readonly TimeSpan LongestStart = TimeSpan.FromMinutes(2);

    private readonly ServerProcess _process;
    private readonly int _port;
    private int _databases;

    private PostgresServer(ServerProcess process, int port) => (_process, _port) = (process, port);

    public static async Task<PostgresServer> StartAsync(string directory, CancellationToken cancellation)
    {
        var command = new PostgresCommand(Path.Combine(directory, "postgresql"), FreePort.Find([]).Port);
        var initdb = Programs.Require("initdb", Package, PostgresCommand.Folders);
        var postgres = Programs.Require("postgres", Package, PostgresCommand.Folders);
        Directory.CreateDirectory(command.Data);
        if (Environment.UserName == "root")
        {
            await ServerProcess.RunAsync([Programs.Require("chown", "coreutils"), "nobody", command.Data], directory, cancellation)
                .ConfigureAwait(false);
        }

        await ServerProcess.RunAsync(PostgresCommand.Unprivileged(initdb, command.Install), directory, cancellation).ConfigureAwait(false);
        var server = new PostgresServer(
            ServerProcess.Start(PostgresCommand.Unprivileged(postgres, command.Serve), directory), command.Port);
        try
        {
            await server._process.WaitUntilAsync("PostgreSQL", () => server.AnswersAsync(cancellation), LongestStart, cancellation)
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
        using var connection = Connection("postgres");
        await connection.OpenAsync(cancellation).ConfigureAwait(false);
        using var create = connection.CreateCommand();
        create.CommandText = $"CREATE DATABASE {name}";
        await create.ExecuteNonQueryAsync(cancellation).ConfigureAwait(false);
        var dsn = string.Create(CultureInfo.InvariantCulture, $"dsn = \"dbi:Pg:dbname={name};host=127.0.0.1;port={_port}\"");
        return new CountingDatabase(
            $"module = Sql, {dsn}, user = postgres, password = any",
            $"{dsn}\n  user = \"postgres\"\n  password = \"any\"",
            () => Connection(name),
            "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'");
    }

    public ValueTask DisposeAsync() => _process.DisposeAsync();

    private async Task<bool> AnswersAsync(CancellationToken cancellation)
    {
        try
        {
            using var connection = Connection("postgres");
            await connection.OpenAsync(cancellation).ConfigureAwait(false);
            return true;
        }
        catch (NpgsqlException)
        {
            return false;
        }
    }

    private NpgsqlConnection Connection(string database) => new(new NpgsqlConnectionStringBuilder
    {
        Host = "127.0.0.1",
        Port = _port,
        Username = "postgres",
        Database = database,
        Pooling = false,
    }.ConnectionString);
}
