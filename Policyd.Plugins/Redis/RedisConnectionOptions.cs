using System.ComponentModel;
using System.ComponentModel.DataAnnotations;

namespace Policyd.Plugins.Redis;

/// <summary>The options of a connection with <c>module = Redis</c>.</summary>
public sealed class RedisConnectionOptions
{
    /// <summary>The server.</summary>
    [Description("the server, HOST:PORT")]
    public string Server { get; set; } = "127.0.0.1:6379";

    /// <summary>The server's UNIX-domain socket; wins over <see cref="Server"/>.</summary>
    [Description("the server's UNIX-domain socket, instead of server")]
    public string? Sock { get; set; }

    /// <summary>The sentinels that know the server.</summary>
    [Description("the sentinels that know which server is the master, instead of server")]
    public IReadOnlyList<string> Sentinels { get; set; } = [];

    /// <summary>The name under which the sentinels know the server.</summary>
    [Description("the name under which the sentinels know the server")]
    public string? Service { get; set; }

    /// <summary>The password. Never shown.</summary>
    [Description("the password")]
    public string? Password { get; set; }

    /// <summary>The number of the database.</summary>
    [Description("the number of the database"), Range(0, int.MaxValue)]
    public int Db { get; set; }
}
