using Policyd.Configuration.Tree;
using Policyd.Configuration.Values;
using Policyd.Engine.Clustering;
using Policyd.Engine.Cron;
using Policyd.Engine.Model;
using Policyd.Plugins.Sql;

namespace Policyd.Engine.Building;

// What the options of cluster { } demand of each other and of the rest of the configuration. What its files hold is read by check and by
// the start, since a command that only shows a configuration may be run by a user who cannot read a key.
internal sealed class ClusterRules(ClusterOptions options, ConfigObject section, PluginResources resources, DiagnosticBag diagnostics)
{
    public void Check(CronOptions? cron, ConfigObject root)
    {
        CheckAddresses();
        CheckTls();
        CheckWait("failure_after", options.FailureAfter);
        CheckWait("decide_after", options.DecideAfter);
        CheckDatabase();
        CheckCounterTables();
        if (cron is { Runs: true } && IsSqlite(cron.Db))
        {
            Error(
                (root["cron"] as ConfigObject ?? section).PositionOf("db"),
                $"cron: db: {OnlyHere(cron.Db)}; the record of runs must be common to all nodes of the cluster");
        }
    }

    private void CheckAddresses()
    {
        if (options.Listen.Address is null)
        {
            Wrong("listen", $"\"{options.Listen}\" is a name; give the address to listen on, and the name in advertise");
        }

        if (options.Advertise is { IsWildcard: true } advertise)
        {
            Wrong("advertise", $"{advertise} is not an address that another node can reach");
        }
        else if (options.Listen.IsWildcard && options.Advertise is null)
        {
            Wrong("listen", $"{options.Listen} means all addresses; set advertise to the one at which the other nodes reach this one");
        }

        for (var index = 0; index < options.Seeds.Count; index++)
        {
            if (options.Seeds[index].IsWildcard)
            {
                var place = (section["seeds"] as ConfigArray)?.Items[index].Position ?? section.PositionOf("seeds");
                Error(place, $"cluster: seeds: {options.Seeds[index]} is not an address that another node can reach");
            }
        }
    }

    private void CheckTls()
    {
        if (options.Tls is { Names.Count: 0 })
        {
            Error(
                (section["tls"] as ConfigObject ?? section).PositionOf("names"),
                "cluster: tls: names: the list is empty, so this node would refuse every other");
        }

        if (options.Tls is not null || options.Listen.IsLoopback)
        {
            return;
        }

        if (options.AllowPlaintext)
        {
            diagnostics.Warning(
                section.PositionOf("allow_plaintext"),
                $"cluster: there is no TLS on {options.Listen}: every host and local user that can reach this port can join it and "
                    + $"take over counters; protect it with a firewall, or add tls");
        }
        else
        {
            Wrong(
                "listen",
                $"{options.Listen} can be reached from other hosts, which could then join the cluster; add tls {{ certificate, key, "
                    + $"ca_file, names }}, or set allow_plaintext = on");
        }
    }

    private void CheckWait(string option, TimeSpan value)
    {
        if (value < ClusterOptions.ShortestWait || value > ClusterOptions.LongestWait)
        {
            Wrong(option, $"must be from {DurationText.Format(ClusterOptions.ShortestWait)} to "
                + $"{DurationText.Format(ClusterOptions.LongestWait)}, found {DurationText.Format(value)}");
        }
    }

    private void CheckDatabase()
    {
        if (!resources.HasDatabase(options.Db))
        {
            var others = resources.Opened.Sql.Names.Where(name => !IsSqlite(name)).ToList();
            Wrong(
                "db",
                $"there is no SQL connection \"{options.Db}\"{(others.Count == 0 ? "" : $"; available: {string.Join(", ", others)}")}");
        }
        else if (IsSqlite(options.Db))
        {
            Wrong("db", $"{OnlyHere(options.Db)}; use PostgreSQL or MariaDB");
        }
    }

    // Each node would count in a file of its own.
    private void CheckCounterTables()
    {
        foreach (var name in resources.Tables.Uses.Select(use => use.Connection).Distinct().Where(IsSqlite))
        {
            var message = $"db: {OnlyHere(name)}; the counters of a cluster need PostgreSQL or MariaDB";
            var users = resources.Placed.FindAll(one => one.Needs.CountersOf(name));
            users.ForEach(user => Error(user.Section.PositionOf("db"), $"plugin {user.Name}: {message}"));
            if (users.Count == 0)
            {
                Error(resources.Connections[name].Section.PositionOf("dsn"), $"connection {name}: {message}");
            }
        }
    }

    private bool IsSqlite(string connection) =>
        resources.HasDatabase(connection) && resources.Database(connection).Provider == SqlProvider.SQLite;

    private static string OnlyHere(string connection) =>
        $"connection {connection} is a SQLite file, which the other nodes of the cluster do not have";

    private void Wrong(string option, string message) => Error(section.PositionOf(option), $"cluster: {option}: {message}");

    private void Error(SourcePosition place, string message) => diagnostics.Error(place, message);
}
