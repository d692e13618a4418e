using System.Data.Common;
using Microsoft.Extensions.Logging;
using Policyd.Configuration.Hocon;
using Policyd.Configuration.Options;
using Policyd.Configuration.Tree;
using Policyd.Plugins.Api;
using Policyd.Plugins.Caches;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Dns;
using Policyd.Plugins.Sql;
using Policyd.Protocol;

namespace Policyd.Plugins.Testing;

/// <summary>What a server gives to plugins, from the test's fakes.</summary>
internal sealed class FakeHost(TimeProvider clock, ILoggerFactory loggers, DiagnosticBag diagnostics, PluginFakes fakes) : IPluginHost
{
    private readonly CounterTableSet _tables = new();
    private readonly Dictionary<Type, object> _shared = [];

    public TimeProvider Clock => clock;

    public ILoggerFactory Loggers => loggers;

    public ActionGrammar Grammar => ActionGrammar.Default;

    public DiagnosticBag Diagnostics => diagnostics;

    public IReadOnlyDictionary<string, ConnectionDefinition> Connections { get; } = fakes.Directories.ToDictionary(
        static name => name,
        static name => new ConnectionDefinition(
            name, "Ldap", HoconReader.Read("", "connections").Root, OptionSchema.Of(typeof(object))));

    public ICounters Counters => fakes.Counters;

    public IDnsResolver Dns => fakes.Dns;

    public HttpMessageHandler? HttpHandler => fakes.Http.Handler;

    public T Service<T>()
        where T : class => (T)fakes.Service(typeof(T), clock);

    public T Shared<T>(Func<T> make)
        where T : class, IAsyncDisposable =>
        (T)(_shared.TryGetValue(typeof(T), out var shared) ? shared : _shared[typeof(T)] = make());

    public void Uses(string connection)
    {
    }

    public T? Connection<T>(string name)
        where T : class => fakes.Directories.Contains(name) ? fakes.Directory as T : null;

    public IReadOnlyList<string> ModulesOffering(IReadOnlyList<Type> kinds) => [];

    public IValueCache? Cache(string connection) => fakes.Caches.Contains(connection) ? fakes.Cache.At(clock) : null;

    public bool HasDatabase(string connection) => fakes.Databases.Contains(connection);

    public ISqlDatabase Database(string connection) => new NoDatabase();

    public CounterTable UseCounterTable(string connection, string table, bool writes) => _tables.Use(connection, table, writes);

    public CounterTable FindCounterTable(string connection, string table) => _tables.Find(connection, table);

    public void AddOwnTable(string connection, string table)
    {
    }

    public ISqlStatement Statement(string plugin, string option, SourcePosition place, string connection, string sql) =>
        new FakeStatement(fakes.Sql, option, sql);

    public void AddResultReference(Type module, string name, Plugin by, string option, SourcePosition place)
    {
    }

    private sealed class NoDatabase : ISqlDatabase
    {
        public SqlProvider Provider => SqlProvider.SQLite;

        public string Description => "the test's database";

        public ValueTask<DbConnection> OpenAsync(CancellationToken ct) => throw NotHere();

        public Task<T> RunAsync<T>(Func<DbConnection, Task<T>> work, bool isRepeatable, CancellationToken ct) => throw NotHere();

        public string QuoteIdentifier(string name) => $"\"{name}\"";

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;

        private static NotSupportedException NotHere() => new("a plugin test has no connection to a database; use setup.Query");
    }
}
