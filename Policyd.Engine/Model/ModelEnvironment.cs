using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Policyd.Engine.Loading;
using Policyd.Engine.Replaying;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Dns;

namespace Policyd.Engine.Model;

/// <summary>What surrounds a model: the defaults are right for a server.</summary>
public sealed record ModelEnvironment
{
    /// <summary>The clock.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>The log.</summary>
    public ILoggerFactory LoggerFactory { get; init; } = NullLoggerFactory.Instance;

    /// <summary>The modules that a configuration may name, before those of <c>plugin_folder</c>.</summary>
    public ModuleRegistry Modules { get; init; } = ModuleRegistry.BuiltIn;

    /// <summary>Whether these modules too are kept from holding threads, as those of <c>plugin_folder</c> are.</summary>
    internal bool GuardsModules { get; init; }

    /// <summary>The counters that plugins ask; null: the model makes a <see cref="CounterGateway"/> for its server.</summary>
    public ICounters? Counters { get; init; }

    /// <summary>The resolver that plugins ask; null: the model makes one from <c>policyd { dns { } }</c>.</summary>
    public IDnsResolver? Dns { get; init; }

    /// <summary>
    /// The model that the new one is to replace in the running server; null at its start. What no option has changed goes on: connections,
    /// counters, sessions, caches and plugins.
    /// </summary>
    public PolicyServerModel? Former { get; init; }

    /// <summary>
    /// Whether requests are only tried: nothing is made or changed in a database, not even a table that is missing or a new file.
    /// </summary>
    public bool OnlyReads { get; init; }

    /// <summary>
    /// Gets each action word that is taken for a restriction class of the operator's main.cf, as it is in an mtpolicyd.conf; null: nobody
    /// asks.
    /// </summary>
    public ICollection<string>? AssumedClasses { get; init; }

    /// <summary>What takes the place of the server's own parts where requests are only tried; null: a server.</summary>
    internal ReplayParts? Replay { get; init; }

    /// <summary>The clock of what is asked over the network, which takes its time whatever the mails' time is.</summary>
    internal TimeProvider SourceClock => Replay is null ? Clock : TimeProvider.System;
}
