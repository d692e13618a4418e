using System.Runtime.Serialization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Akka.Actor;
using Akka.Serialization;

namespace Policyd.Actors.Cron;

/// <summary>
/// The cron scheduler's messages and the events of its ledger as JSON: a handful an hour, and an operator can read what is in the table. A
/// manifest names a form that never changes; a new form gets a new manifest beside the old one.
/// </summary>
public sealed class CronSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    private static readonly JsonSerializerOptions s_options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };

    private static readonly Dictionary<string, Type> s_types = new(StringComparer.Ordinal)
    {
        ["known1"] = typeof(CronEvents.Known),
        ["started1"] = typeof(CronEvents.Started),
        ["ended1"] = typeof(CronEvents.Ended),
        ["ledger1"] = typeof(CronEvents.Snapshot),
        ["list1"] = typeof(CronProtocol.ListTasks),
        ["tasks1"] = typeof(CronProtocol.TaskList),
        ["run1"] = typeof(CronProtocol.RunTask),
        ["ran1"] = typeof(CronProtocol.TaskRan),
        ["none1"] = typeof(CronProtocol.NoSuchTask),
    };

    private static readonly Dictionary<Type, string> s_manifests = s_types.ToDictionary(pair => pair.Value, pair => pair.Key);

    /// <summary>Ours for ever, beside the counters' 4711.</summary>
    public override int Identifier => 4712;

    /// <inheritdoc/>
    public override string Manifest(object o)
    {
        ArgumentNullException.ThrowIfNull(o);
        return s_manifests.TryGetValue(o.GetType(), out var manifest)
            ? manifest
            : throw new SerializationException($"{o.GetType()} is not a message of the cron scheduler");
    }

    /// <inheritdoc/>
    public override byte[] ToBinary(object obj)
    {
        Manifest(obj);
        return JsonSerializer.SerializeToUtf8Bytes(obj, obj.GetType(), s_options);
    }

    /// <inheritdoc/>
    public override object FromBinary(byte[] bytes, string manifest)
    {
        if (!s_types.TryGetValue(manifest, out var type))
        {
            throw new SerializationException(
                $"\"{manifest}\" is not a known message of the cron scheduler; another node may run a newer version");
        }

        try
        {
            return JsonSerializer.Deserialize(bytes, type, s_options) ?? throw new SerializationException($"an empty {manifest}");
        }
        catch (JsonException e)
        {
            throw new SerializationException($"{manifest} is damaged: {e.Message}", e);
        }
    }
}
