using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;

namespace Policyd.Server.Logging;

/// <summary>The names of a message's parts as members of a JSON object. They are those of the source, so there are few.</summary>
internal static class PartNames
{
    private static readonly ConcurrentDictionary<string, byte[]> s_names = new(StringComparer.Ordinal);

    public static byte[] Of(string part) => s_names.GetOrAdd(part, static part =>
    {
        var name = JsonNamingPolicy.SnakeCaseLower.ConvertName(part);
        return Encoding.UTF8.GetBytes(name is "time" or "level" or "message" or "exception" ? "its_" + name : name);
    });
}
