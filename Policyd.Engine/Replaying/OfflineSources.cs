using System.Data.Common;
using Policyd.Plugins.Dns;
using Policyd.Plugins.Ldap;
using Policyd.Plugins.Sql;

namespace Policyd.Engine.Replaying;

/// <summary>Nobody answers: each question ends as it does while no server of a zone can be reached.</summary>
internal sealed class OfflineResolver : IDnsResolver
{
    private static readonly DnsAnswer s_nobody = new(DnsStatus.TimedOut, []);

    public ValueTask<DnsAnswer> ResolveAsync(string name, DnsRecordType type, CancellationToken ct) => new(s_nobody);
}

/// <summary>A directory that is away.</summary>
internal sealed class OfflineDirectory : ILdapDirectory
{
    public static OfflineDirectory Instance { get; } = new();

    public TimeSpan Timeout => TimeSpan.FromSeconds(1);

    public ValueTask<LdapResult> SearchAsync(LdapSearch search, CancellationToken ct) =>
        ValueTask.FromException<LdapResult>(new LdapException(Offline.Message));
}

/// <summary>HTTP servers that are away.</summary>
internal sealed class OfflineHttp : HttpMessageHandler
{
    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
        Task.FromException<HttpResponseMessage>(new HttpRequestException(Offline.Message));
}

/// <summary>A database that is away.</summary>
internal sealed class OfflineDatabase(ISqlDatabase database) : ISqlDatabase
{
    public SqlProvider Provider => database.Provider;

    public string Description => database.Description;

    public ValueTask<DbConnection> OpenAsync(CancellationToken ct) =>
        ValueTask.FromException<DbConnection>(new SqlAwayException($"{Description}: {Offline.Message}"));

    public Task<T> RunAsync<T>(Func<DbConnection, Task<T>> work, bool isRepeatable, CancellationToken ct) =>
        Task.FromException<T>(new SqlAwayException($"{Description}: {Offline.Message}"));

    public string QuoteIdentifier(string name) => database.QuoteIdentifier(name);

    // The database belongs to the connections.
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

/// <summary>A statement on a database that is away.</summary>
internal sealed class OfflineStatement(int parameterCount, string database) : ISqlStatement
{
    public int ParameterCount => parameterCount;

    public string Database => database;

    public Task<bool> HasRowAsync(object?[] values, CancellationToken ct) => Away<bool>();

    public Task<IReadOnlyList<SqlRow>> RowsAsync(object?[] values, int mostRows, int mostColumns, CancellationToken ct) =>
        Away<IReadOnlyList<SqlRow>>();

    public Task<int> ExecuteAsync(object?[] values, CancellationToken ct) => Away<int>();

    private Task<T> Away<T>() => Task.FromException<T>(new SqlAwayException($"{database}: {Offline.Message}"));
}

internal static class Offline
{
    public const string Message = "not asked, since the replay is offline";
}
