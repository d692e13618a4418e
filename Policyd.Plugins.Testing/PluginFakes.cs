namespace Policyd.Plugins.Testing;

/// <summary>What stands for the parts of the server that a plugin uses. Tests fill it; several plugins may share it.</summary>
public sealed class PluginFakes
{
    /// <summary>The names of the SQL connections; any other name is an error of the option.</summary>
    public ISet<string> Databases { get; } = new HashSet<string>(StringComparer.Ordinal) { "db" };

    /// <summary>What statements answer.</summary>
    public FakeSql Sql { get; } = new();

    /// <summary>The names of the connections to caches; any other name is an error of the option.</summary>
    public ISet<string> Caches { get; } = new HashSet<string>(StringComparer.Ordinal) { "redis", "memcached" };

    /// <summary>What is in those caches.</summary>
    public FakeCache Cache { get; } = new();

    /// <summary>What HTTP servers answer.</summary>
    public FakeHttp Http { get; } = new();

    /// <summary>What names are found.</summary>
    public FakeDns Dns { get; } = new();

    /// <summary>The counters.</summary>
    public FakeCounters Counters { get; } = new();

    /// <summary>What is kept for a time.</summary>
    public FakeExpiringStore Expiring { get; } = new();

    /// <summary>The names of the connections to directories; any other name is an error of the option.</summary>
    public ISet<string> Directories { get; } = new HashSet<string>(StringComparer.Ordinal) { "ldap" };

    /// <summary>What directories answer.</summary>
    public FakeDirectory Directory { get; } = new();

    /// <summary>What mail servers say of addresses.</summary>
    public FakeMail Mail { get; } = new();

    /// <summary>What fail2ban is asked to do.</summary>
    public FakeFail2Ban Fail2Ban { get; } = new();

    /// <summary>What is in maps and databases of countries.</summary>
    public FakeFiles Files { get; } = new();

    // What the server does for plugins, by the interface under which they ask for it.
    internal object Service(Type kind, TimeProvider clock)
    {
        Expiring.Clock = clock;
        object[] all = [Expiring, Mail, Fail2Ban, Files];
        return Array.Find(all, kind.IsInstanceOfType) ?? throw new NotSupportedException($"a plugin test has no {kind.Name}");
    }
}
