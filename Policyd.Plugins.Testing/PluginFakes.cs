namespace Policyd.Plugins.Testing;

/// <summary>What stands for the parts of the server that a plugin uses. Tests fill it; several plugins may share it.</summary>
public sealed class PluginFakes
{
    /// <summary>The names of the SQL connections; any other name is an error of the option.</summary>
    public ISet<string> Databases { get; } = new HashSet<string>(StringComparer.Ordinal) { "db" };

    /// <summary>What statements answer.</summary>
    public FakeSql Sql { get; } = new();

    /// <summary>What names are found.</summary>
    public FakeDns Dns { get; } = new();

    /// <summary>The counters.</summary>
    public FakeCounters Counters { get; } = new();
}
