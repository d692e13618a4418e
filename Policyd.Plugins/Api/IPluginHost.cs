using Microsoft.Extensions.Logging;
using Policyd.Configuration.Tree;
using Policyd.Plugins.Caches;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Dns;
using Policyd.Plugins.Sql;
using Policyd.Protocol;

namespace Policyd.Plugins.Api;

/// <summary>
/// What a server gives to the plugins of all its chains while they are initialized. Plugins reach it through <see cref="PluginSetup"/>.
/// </summary>
internal interface IPluginHost
{
    TimeProvider Clock { get; }

    ILoggerFactory Loggers { get; }

    /// <summary>What Postfix obeys, with the operator's restriction classes.</summary>
    ActionGrammar Grammar { get; }

    DiagnosticBag Diagnostics { get; }

    /// <summary>The sections of connections by name.</summary>
    IReadOnlyDictionary<string, ConnectionDefinition> Connections { get; }

    ICounters Counters { get; }

    IDnsResolver Dns { get; }

    /// <summary>What stands for the network where plugins ask HTTP servers; null: the network.</summary>
    HttpMessageHandler? HttpHandler { get; }

    /// <summary>The part of the server that does this, such as opening files; one for all plugins.</summary>
    T Service<T>()
        where T : class;

    /// <summary>
    /// An object that all plugins share, made when the first one asks for its type. It ends with the server's connections.
    /// </summary>
    T Shared<T>(Func<T> make)
        where T : class, IAsyncDisposable;

    /// <summary>Somebody asks for a connection of that name, whether it is there or not.</summary>
    void Uses(string connection);

    /// <summary>The connection of a name; null when there is none or it is of another kind.</summary>
    T? Connection<T>(string name)
        where T : class;

    /// <summary>The modules whose connections offer at least one of these.</summary>
    IReadOnlyList<string> ModulesOffering(IReadOnlyList<Type> kinds);

    /// <summary>The cache that plugins get of a connection; null when there is none of that name, or it is no cache.</summary>
    IValueCache? Cache(string connection);

    /// <summary>Whether there is a SQL connection of that name.</summary>
    bool HasDatabase(string connection);

    /// <summary>The database of a SQL connection, which is there.</summary>
    ISqlDatabase Database(string connection);

    /// <summary>A plugin uses a counter table.</summary>
    CounterTable UseCounterTable(string connection, string table, bool writes);

    /// <summary>The same object as plugins have declared, for a table that only a user's settings name.</summary>
    CounterTable FindCounterTable(string connection, string table);

    /// <summary>A plugin makes a table of its own in that database when it first needs it.</summary>
    void AddOwnTable(string connection, string table);

    /// <summary>Makes an operator's statement ready, for a SQL connection that is there, and remembers where it stands.</summary>
    ISqlStatement Statement(string plugin, string option, SourcePosition place, string connection, string sql);

    /// <summary>A plugin acts on what the plugin of that module and name has found.</summary>
    void AddResultReference(Type module, string name, Plugin by, string option, SourcePosition place);
}
