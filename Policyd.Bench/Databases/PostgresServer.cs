using System.Data.Common;
using System.Globalization;
using Npgsql;
using Policyd.Bench.Servers;

namespace Policyd.Bench.Databases;

/// <summary>A PostgreSQL in a folder and on a port of its own.</summary>
internal sealed class PostgresServer : SqlServerProcess
{
    private const string Package = "postgresql";

    private PostgresServer(ServerProcess process, int port)
        : base(process, port)
    {
    }

    protected override string AnyDatabase => "postgres";

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
        await server.StartedAsync("PostgreSQL", () => server.AnswersAsync(cancellation), prepare: null, cancellation).ConfigureAwait(false);
        return server;
    }

    protected override CountingDatabase Named(string database)
    {
        var dsn = string.Create(CultureInfo.InvariantCulture, $"dsn = \"dbi:Pg:dbname={database};host=127.0.0.1;port={Port}\"");
        return new CountingDatabase(
            $"module = Sql, {dsn}, user = postgres, password = any",
            $"{dsn}\n  user = \"postgres\"\n  password = \"any\"",
            () => Connection(database),
            "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'");
    }

    protected override DbConnection Connection(string database) => new NpgsqlConnection(new NpgsqlConnectionStringBuilder
    {
        Host = "127.0.0.1",
        Port = Port,
        Username = "postgres",
        Database = database,
        Pooling = false,
    }.ConnectionString);

    private async Task<bool> AnswersAsync(CancellationToken cancellation)
    {
        try
        {
            using var connection = Connection(AnyDatabase);
            await connection.OpenAsync(cancellation).ConfigureAwait(false);
            return true;
        }
        catch (NpgsqlException)
        {
            return false;
        }
    }
}
