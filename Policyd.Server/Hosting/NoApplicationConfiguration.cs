using System.Configuration.Internal;
using System.Reflection;
using Akka.Configuration;
using Akka.Configuration.Hocon;

namespace Policyd.Server.Hosting;

/// <summary>
/// The answer to whoever asks .NET for the application's XML configuration: there is none. Akka asks at each start for its section, even
/// when it was given its settings. The search for the file would load libraries for XML and for converting types, which then stay in
/// memory for an answer that is always the same.
/// </summary>
internal sealed class NoApplicationConfiguration : IInternalConfigSystem
{
    // Not public, though its interface is: the door through which a host other than a plain executable brings its own configuration.
    private const string Door = "System.Configuration.Internal.InternalConfigSettingsFactory, System.Configuration.ConfigurationManager";

    private readonly AkkaConfigurationSection _akka = EmptySection();

    private NoApplicationConfiguration()
    {
    }

    /// <inheritdoc/>
    public bool SupportsUserConfig => false;

    /// <summary>
    /// From here on nothing is searched for. A process that has asked before keeps what it found.
    /// </summary>
    /// <returns>Whether it is so.</returns>
    public static bool Use()
    {
        if (Type.GetType(Door) is not { } type
            || Activator.CreateInstance(type, nonPublic: true) is not IInternalConfigSettingsFactory door)
        {
            return false;
        }

        try
        {
            door.SetConfigurationSystem(new NoApplicationConfiguration(), initComplete: true);
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    /// <inheritdoc/>
    public object? GetSection(string configKey) => configKey == "akka" ? _akka : null;

    /// <inheritdoc/>
    public void RefreshConfig(string sectionName)
    {
    }

    // Akka would make an empty section as well, but let the library find its text by reflection.
    private static AkkaConfigurationSection EmptySection()
    {
        var section = new AkkaConfigurationSection();
        typeof(AkkaConfigurationSection).GetField("_akkaConfig", BindingFlags.Instance | BindingFlags.NonPublic)
            ?.SetValue(section, Config.Empty);
        return section;
    }
}
