// From a file to a model, for every verb that needs one.

using Microsoft.Extensions.Logging;
using Policyd.Configuration.Hocon;
using Policyd.Configuration.Options;
using Policyd.Configuration.Tree;
using Policyd.Engine.Building;
using Policyd.Engine.Model;
using Policyd.Server.ExitCodes;
using Policyd.Server.Logging;

namespace Policyd.Server.Loading;

internal sealed record LoadedConfiguration(string Path, ConfigDocument Document)
{
    /// <exception cref="CommandException">There is no such file, or it cannot be read.</exception>
    public static LoadedConfiguration Read(string? given)
    {
        var path = ConfigurationSearch.Find(given);
        return new LoadedConfiguration(path, ConfigurationSearch.Read(path));
    }

    /// <summary>The model; null when there are errors, all of them on <paramref name="error"/>.</summary>
    public PolicyServerModel? Build(TextWriter error, ILoggerFactory? loggers = null) =>
        Build(error, loggers is null ? new ModelEnvironment() : new ModelEnvironment { LoggerFactory = loggers });

    /// <summary>The same in other surroundings than a server's.</summary>
    public PolicyServerModel? Build(TextWriter error, ModelEnvironment environment)
    {
        // After a syntax error the tree is not what its author meant: what the model would say of it only confuses.
        var model = Document.Diagnostics.HasErrors ? null : ModelBuilder.Build(Document, environment);
        if (model is null)
        {
            Document.Diagnostics.WriteTo(error);
        }

        return model;
    }

    /// <summary>
    /// The options of <c>policyd { }</c> before there is a model: the log is needed to build it. What is wrong with them is
    /// reported by the model.
    /// </summary>
    public ServerOptions EarlyOptions()
    {
        var options = new ServerOptions();
        if (Document.Root["policyd"] is ConfigObject section)
        {
            OptionBinder.Bind(
                options,
                section,
                new DiagnosticBag(),
                new BindingOptions { ConsumedElsewhere = ["connections", "session_cache", "virtual_hosts"] });
        }

        return options;
    }

    /// <summary>
    /// The operator's <c>akka { }</c> after what the log level implies. Our own actors speak at INFO, from our notice on;
    /// what Akka says there of its own life is shown at debug. Its DEBUG, of every phase of every stop, is for whoever sets
    /// <c>akka.loglevel</c> himself.
    /// </summary>
    public string Akka(LogSeverity level)
    {
        var akkaLevel = level switch { LogSeverity.Error => "ERROR", LogSeverity.Warning => "WARNING", _ => "INFO" };
        var implied = $"akka {{ loglevel = {akkaLevel}, stdout-loglevel = OFF }}\n";
        return Document.Root["akka"] is ConfigObject akka ? $"{implied}akka {HoconWriter.WriteJson(akka)}" : implied;
    }
}
