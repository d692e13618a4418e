using System.Diagnostics.CodeAnalysis;
using Akka.Actor;
using Akka.Configuration;
using Akka.Serialization;

namespace Policyd.Actors.Hosting;

/// <summary>
/// For all messages without a serializer of their own: none of them leaves the server or enters it. Akka's own choice for them, a JSON
/// library, makes an object of any type that a message names, so that another node could have its way; and it takes 3 MB of memory.
/// </summary>
[SuppressMessage("Performance", "CA1812", Justification = "Akka makes it by the name in the settings")]
internal sealed class NoSerializer : Serializer
{
    /// <summary>As Akka calls it for a serializer that has settings; those of the JSON library stay without effect.</summary>
    public NoSerializer(ExtendedActorSystem system, Config settings)
        : base(system) => _ = settings;

    /// <summary>As Akka calls it for one that has none.</summary>
    public NoSerializer(ExtendedActorSystem system)
        : base(system)
    {
    }

    /// <summary>Beside the counters' 4711 and cron's 4712; nothing that was written ever has it.</summary>
    public override int Identifier => 4713;

    public override bool IncludeManifest => false;

    public override byte[] ToBinary(object obj) => throw Refused(obj.GetType());

    public override object FromBinary(byte[] bytes, Type type) => throw Refused(type);

    private static NotSupportedException Refused(Type? type) => new($"{type} has no serializer");
}
