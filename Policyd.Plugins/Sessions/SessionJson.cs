using System.Collections;
using System.Collections.Concurrent;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Policyd.Plugins.Sessions;

/// <summary>
/// Values of a session as JSON. What would not come back as it was put is an error when it is put: read back as a default it would be a
/// wrong answer at the mail's next recipient. A type is looked at once; its first value goes there and back. Only a type that keeps a part
/// of itself in private fields of its own making has each of its values go there and back.
/// </summary>
internal static class SessionJson
{
    private static readonly JsonSerializerOptions s_options = new()
    {
        TypeInfoResolver = new DefaultJsonTypeInfoResolver(),
        IncludeFields = true,   // of tuples
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,   // NaN is a value
    };

    private static readonly ConcurrentDictionary<Type, bool> s_isProven = [];

    /// <summary>The JSON text of a value.</summary>
    /// <param name="key">Its key, for the message.</param>
    /// <param name="value">The value.</param>
    /// <param name="where">What it is put into, for the message.</param>
    /// <exception cref="InvalidOperationException">It would not come back as it is; the message tells why.</exception>
    public static string Write<T>(string key, T value, string where = "the session")
    {
        if (HasOwnComparer(value))
        {
            throw Lost<T>(where, key, "its comparer would be lost");
        }

        if (s_isProven.TryGetValue(typeof(T), out var isProven) && isProven && IsExact(value))
        {
            return Serialize(key, value, where);
        }

        if (Loss(typeof(T), []) is { } loss)
        {
            throw Lost<T>(where, key, loss);
        }

        if (!IsExact(value))
        {
            throw Lost<T>(where, key, $"its value is a {value!.GetType().Name}");
        }

        var json = Serialize(key, value, where);
        if (!ComesBack<T>(json))
        {
            throw Lost<T>(where, key, "the value that is read back differs from the stored one");
        }

        s_isProven[typeof(T)] = !HasOwnFields(typeof(T), []);
        return json;
    }

    /// <summary>The value of a JSON text.</summary>
    /// <exception cref="JsonException">It does not fit.</exception>
    public static T? Read<T>(string json)
    {
        try
        {
            return JsonSerializer.Deserialize<T>(json, s_options);
        }
        catch (NotSupportedException exception)
        {
            throw new JsonException(exception.Message, exception);
        }
    }

    /// <summary>The JSON of a text.</summary>
    public static string Quote(string text) => JsonSerializer.Serialize(text, s_options);

    private static string Serialize<T>(string key, T value, string where)
    {
        try
        {
            return JsonSerializer.Serialize(value, s_options);
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            throw Lost<T>(where, key, exception.Message);   // a circle, a type that JSON does not hold, a property that throws
        }
    }

    private static bool ComesBack<T>(string json)
    {
        try
        {
            using var before = JsonDocument.Parse(json);
            using var after = JsonDocument.Parse(JsonSerializer.Serialize(JsonSerializer.Deserialize<T>(json, s_options), s_options));
            return JsonElement.DeepEquals(before.RootElement, after.RootElement);
        }
        catch (Exception exception) when (exception is JsonException or NotSupportedException or InvalidOperationException
            or ArgumentException)
        {
            return false;
        }
    }

    // A value of a class derived from the declared one would lose what it has more.
    private static bool IsExact<T>(T value) =>
        typeof(T).IsValueType
            || value is null
            || value.GetType() == typeof(T)
            || s_options.GetTypeInfo(typeof(T)) is { Kind: not JsonTypeInfoKind.Object } or { PolymorphismOptions: not null };

    // Its keys would be other keys at the mail's next recipient.
    private static bool HasOwnComparer(object? value)
    {
        if (value is not IEnumerable
            || value.GetType() is not { IsGenericType: true } type
            || type.GetGenericTypeDefinition() is var kind && kind != typeof(Dictionary<,>) && kind != typeof(HashSet<>))
        {
            return false;
        }

        var comparer = type.GetProperty(nameof(HashSet<int>.Comparer))!.GetValue(value);
        var usual = typeof(EqualityComparer<>).MakeGenericType(type.GetGenericArguments()[0])
            .GetProperty(nameof(EqualityComparer<int>.Default))!.GetValue(null);
        return !Equals(comparer, usual) && !Equals(comparer, StringComparer.Ordinal);
    }

    // Why values of a type cannot come back; null when they can. Types that hold themselves are looked at once.
    private static string? Loss(Type type, HashSet<Type> seen)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (!seen.Add(type))
        {
            return null;
        }

        if (type == typeof(object) || type.IsPointer || typeof(Delegate).IsAssignableFrom(type))
        {
            return $"{type.Name} does not tell the type of its value";
        }

        JsonTypeInfo info;
        try
        {
            info = s_options.GetTypeInfo(type);
        }
        catch (Exception exception) when (exception is NotSupportedException or InvalidOperationException)
        {
            return exception.Message;
        }

        return info.Kind switch
        {
            JsonTypeInfoKind.Object => LossOfObject(info, seen),
            JsonTypeInfoKind.Enumerable or JsonTypeInfoKind.Dictionary when info.ElementType is { } element => Loss(element, seen),
            _ => null,
        };
    }

    private static string? LossOfObject(JsonTypeInfo info, HashSet<Type> seen)
    {
        var type = info.Type;
        if ((type.IsInterface || type.IsAbstract) && info.PolymorphismOptions is null)
        {
            return $"{type.Name} is an interface or abstract, so the type to read it back as is unknown";
        }

        foreach (var property in info.Properties.Where(static property => property.Get is not null))
        {
            // One that is computed from others needs no setter.
            if (property.Set is null
                && property.AssociatedParameter is null
                && property.AttributeProvider is PropertyInfo { } member
                && BackingField(member) is not null)
            {
                return $"{type.Name}.{property.Name} cannot be set; add a public setter or a parameter of the constructor";
            }

            if (Loss(property.PropertyType, seen) is { } inner)
            {
                return inner;
            }
        }

        return FieldsOf(type).Select(field => Hidden(info, field)).FirstOrDefault(static name => name is not null) is { } hidden
            ? $"{type.Name}.{hidden} is not public"
                : info.Properties.Count == 0 && FieldsOf(type).Any() ? $"{type.Name} has no public property or field"
                : null;
    }

    // The name of a property that has a field, and that JSON does not see though nobody has said [JsonIgnore].
    private static string? Hidden(JsonTypeInfo info, FieldInfo field)
    {
        if (!field.Name.EndsWith(">k__BackingField", StringComparison.Ordinal))
        {
            return null;
        }

        var name = field.Name[1..field.Name.IndexOf('>', StringComparison.Ordinal)];
        var property = field.DeclaringType!.GetProperty(
            name, BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly);
        return property is null
            || property.IsDefined(typeof(JsonIgnoreAttribute))
            || info.Properties.Any(one => (one.AttributeProvider as PropertyInfo)?.Name == name) ? null : name;
    }

    // Whether a type, or one that it holds, keeps something in fields that are neither public nor made by the compiler for a property.
    private static bool HasOwnFields(Type type, HashSet<Type> seen)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (!seen.Add(type))
        {
            return false;
        }

        var info = s_options.GetTypeInfo(type);
        return info.Kind switch
        {
            JsonTypeInfoKind.Object =>
                FieldsOf(type).Any(static field => !field.IsPublic && !field.Name.EndsWith(">k__BackingField", StringComparison.Ordinal))
                    || info.Properties.Any(property => HasOwnFields(property.PropertyType, seen)),
            JsonTypeInfoKind.Enumerable or JsonTypeInfoKind.Dictionary when info.ElementType is { } element => HasOwnFields(element, seen),
            _ => false,
        };
    }

    private static FieldInfo? BackingField(PropertyInfo property) =>
        property.DeclaringType!.GetField($"<{property.Name}>k__BackingField", BindingFlags.Instance | BindingFlags.NonPublic);

    private static IEnumerable<FieldInfo> FieldsOf(Type type)
    {
        for (var each = type; each is not null; each = each.BaseType)
        {
            foreach (var field in each.GetFields(
                BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
            {
                yield return field;
            }
        }
    }

    private static InvalidOperationException Lost<T>(string where, string key, string why) =>
        new($"{where} cannot store {Shown(typeof(T))} under \"{key}\" because it could not be read back unchanged: {why}");

    private static string Shown(Type type) =>
        type.IsGenericType ? $"{type.Name.Split('`')[0]}<{string.Join(", ", type.GetGenericArguments().Select(Shown))}>" : type.Name;
}
