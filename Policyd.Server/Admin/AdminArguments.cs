using System.Text.Json;
using Policyd.Configuration.Options;

namespace Policyd.Server.Admin;

/// <summary>The arguments of a request: an object of texts and numbers. What does not fit is told by name.</summary>
internal sealed class AdminArguments(JsonElement arguments)
{
    /// <exception cref="AdminException">There is one that the command does not know.</exception>
    public void AllowOnly(IReadOnlyList<string> known)
    {
        if (arguments.ValueKind != JsonValueKind.Object)
        {
            return;
        }

        foreach (var argument in arguments.EnumerateObject().Where(argument => !known.Contains(argument.Name)))
        {
            throw Wrong($"unknown argument \"{argument.Name}\"{OptionNames.DidYouMean(argument.Name, known)}");
        }
    }

    /// <summary>A text; null when it is absent.</summary>
    public string? Text(string name) => Find(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.String ? value.GetString()
        : throw Wrong($"{name} must be a string");

    public string RequiredText(string name) => Text(name) is { Length: > 0 } text ? text : throw Wrong($"{name} is missing");

    /// <summary>A whole number, not negative; null when it is absent.</summary>
    public long? Number(string name, long most = long.MaxValue) => Find(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number) && number >= 0 && number <= most ? number
        : throw Wrong($"{name} must be a whole number from 0 to {most}");

    /// <summary>Whether something is wanted; not when it is absent.</summary>
    public bool Flag(string name) => Find(name) is { } value
        && (value.ValueKind is JsonValueKind.True or JsonValueKind.False
            ? value.GetBoolean()
            : throw Wrong($"{name} must be true or false"));

    private JsonElement? Find(string name) =>
        arguments.ValueKind == JsonValueKind.Object
            && arguments.TryGetProperty(name, out var value)
            && value.ValueKind != JsonValueKind.Null ? value : null;

    private static AdminException Wrong(string message) => new(AdminError.BadRequest, message);
}
