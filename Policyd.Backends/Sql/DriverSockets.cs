using System.Data.Common;
using System.Net.Sockets;
using System.Reflection;
using Microsoft.Data.Sqlite;
using MySqlConnector;
using Npgsql;
using SQLitePCL;

namespace Policyd.Backends.Sql;

/// <summary>
/// Ends a connection that is waiting for its server. Neither driver can: both first ask the server, over a second connection, to stop what
/// it does, and wait for that, in the thread that cancels. A frozen server holds it for many seconds. So the socket is closed below them,
/// and they see a broken connection, which they take out of their pool. The fields are those of the versions in Directory.Packages.props; a
/// test closes a connection of each.
/// </summary>
internal static class DriverSockets
{
    private const BindingFlags Inside = BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public;
    private static readonly PropertyInfo? s_connector = typeof(NpgsqlConnection).GetProperty("Connector", Inside);
    private static readonly FieldInfo? s_npgsqlSocket = s_connector?.PropertyType.GetField("_socket", Inside);
    private static readonly FieldInfo? s_session = typeof(MySqlConnection).GetField("m_session", Inside);
    private static readonly FieldInfo? s_mySqlSocket = s_session?.FieldType.GetField("m_socket", Inside);

    /// <summary>
    /// Ends what a connection does, from any thread: it closes the socket, or has SQLite stop its statement, which otherwise would hold its
    /// thread for as long as it runs.
    /// </summary>
    public static void Break(DbConnection connection)
    {
        if (connection is SqliteConnection { Handle: { } handle })
        {
            raw.sqlite3_interrupt(handle);
        }
        else
        {
            Close(connection);
        }
    }

    /// <summary>Closes the socket, from any thread.</summary>
    /// <returns>Whether there was one. SQLite has none.</returns>
    public static bool Close(DbConnection connection)
    {
        var owner = connection switch
        {
            NpgsqlConnection => s_connector?.GetValue(connection),
            MySqlConnection => s_session?.GetValue(connection),
            _ => null,
        };
        var socket = owner is null ? null : (connection is NpgsqlConnection ? s_npgsqlSocket : s_mySqlSocket)?.GetValue(owner) as Socket;
        socket?.Dispose();
        return socket is not null;
    }
}
