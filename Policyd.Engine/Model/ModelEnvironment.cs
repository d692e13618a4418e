using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Policyd.Engine.Loading;
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

    /// <summary>The counters that plugins ask; null: the model makes a <see cref="CounterGateway"/> for its server.</summary>
    public ICounters? Counters { get; init; }

    /// <summary>The resolver that plugins ask; null: the model makes one from <c>policyd { dns { } }</c>.</summary>
    public IDnsResolver? Dns { get; init; }

    /// <summary>
    /// The model that the new one is to replace in the running server; null at its start. What no option has changed goes on: connections,
    /// counters, sessions, caches and plugins.
    /// </summary>
    public PolicyServerModel? Former { get; init; }
}
