using System.Globalization;
using System.Numerics;
using System.Reflection;
using Policyd.Configuration.Hocon;
using Policyd.Configuration.Tree;
using Policyd.Configuration.Values;

namespace Policyd.Configuration.Options;

// The scalar types that every option may have.
internal static class ScalarConverters
{
    public static OptionConverter? For(Type type)
    {
        if (type == typeof(string))
        {
            return new ScalarConverter<string>("text", Text, static text => text);
        }

        if (type == typeof(bool))
        {
            return new ScalarConverter<bool>("on or off", Switch, static value => value ? "on" : "off");
        }

        if (type == typeof(int))
        {
            return new ScalarConverter<int>("a whole number", Whole, static value => value.ToString(CultureInfo.InvariantCulture));
        }

        if (type == typeof(long))
        {
            return new ScalarConverter<long>("a whole number", Whole, static value => value.ToString(CultureInfo.InvariantCulture));
        }

        if (type == typeof(double))
        {
            return new ScalarConverter<double>("a number", Number, static value => value.ToString(CultureInfo.InvariantCulture));
        }

        if (type == typeof(TimeSpan))
        {
            return new ScalarConverter<TimeSpan>("a duration", DurationText.TryParse, DurationText.Format);
        }

        if (type.IsEnum)
        {
            return (OptionConverter)Activator.CreateInstance(typeof(EnumConverter<>).MakeGenericType(type))!;
        }

        return IsOptionValue(type)
            ? (OptionConverter)Activator.CreateInstance(typeof(OptionValueConverter<>).MakeGenericType(type))!
            : null;
    }

    /// <summary>Reads what turns an option on or off.</summary>
    public static bool Switch(string text, out bool value, out string? error)
    {
        error = null;
        value = text.Trim().ToLowerInvariant() is "on" or "yes" or "true" or "1";
        return value || text.Trim().ToLowerInvariant() is "off" or "no" or "false" or "0";
    }

    private static bool IsOptionValue(Type type) =>
        type.GetInterfaces()
            .Any(i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IOptionValue<>) && i.GenericTypeArguments[0] == type);

    private static bool Text(string text, out string? value, out string? error)
    {
        (value, error) = (text, null);
        return true;
    }

    private static bool Whole<T>(string text, out T value, out string? error) where T : struct, IBinaryInteger<T>, IMinMaxValue<T>
    {
        error = null;
        var trimmed = text.AsSpan().Trim();
        if (T.TryParse(trimmed, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value))
        {
            return true;
        }

        if (HoconText.IsNumber(trimmed) && trimmed.IndexOfAny(".eE") < 0)
        {
            error = $"expected a whole number between {T.MinValue} and {T.MaxValue}, found {Printable.Quote(text)}";
        }

        return false;
    }

    private static bool Number(string text, out double value, out string? error)
    {
        error = null;
        return double.TryParse(text.Trim(), NumberStyles.Float, CultureInfo.InvariantCulture, out value) && double.IsFinite(value);
    }
}

/// <summary>An enum by its members' names in snake_case or lower case.</summary>
internal sealed class EnumConverter<T> : OptionConverter where T : struct, Enum
{
    private readonly List<string> _names = [];
    private readonly Dictionary<string, T> _values = new(StringComparer.OrdinalIgnoreCase);
    private readonly Dictionary<T, string> _texts = [];

    public EnumConverter()
    {
        foreach (var field in typeof(T).GetFields(BindingFlags.Public | BindingFlags.Static))
        {
            var value = (T)field.GetValue(null)!;
            var given = field.GetCustomAttribute<OptionNameAttribute>();
            var name = given?.Name ?? OptionNames.Snake(field.Name);
            _names.Add(name);
            _texts.TryAdd(value, name);
            foreach (var alias in (IEnumerable<string>)[name, field.Name, .. given?.Aliases ?? []])
            {
                _values.TryAdd(alias, value);
            }
        }
    }

    public override string TypeName => _names.Count == 1 ? _names[0] : $"one of {string.Join(", ", _names)}";

    public override bool TryConvert(ConfigNode node, OptionConversion conversion, out object? value)
    {
        value = null;
        if (node is not ConfigScalar scalar)
        {
            return conversion.Expected(node, TypeName);
        }

        if (!_values.TryGetValue(scalar.Text.Trim(), out var parsed))
        {
            return conversion.Fail(
                node, $"expected {TypeName}, found {Printable.Quote(scalar.Text)}{OptionNames.DidYouMean(scalar.Text, _names)}");
        }

        value = parsed;
        return true;
    }

    public override string? Format(object value) => _texts.GetValueOrDefault((T)value) ?? value.ToString();
}

/// <summary>A type that reads itself from text.</summary>
internal sealed class OptionValueConverter<T> : OptionConverter where T : IOptionValue<T>
{
    public override string TypeName { get; } =
        typeof(T) == typeof(ByteSize) ? "a size" : "a " + OptionNames.Snake(typeof(T).Name).Replace('_', ' ');

    public override bool TryConvert(ConfigNode node, OptionConversion conversion, out object? value)
    {
        value = null;
        if (node is not ConfigScalar scalar)
        {
            return conversion.Expected(node, TypeName);
        }

        if (!T.TryParse(scalar.Text, out var parsed, out var error) || parsed is null)
        {
            return error is null ? conversion.Expected(node, TypeName) : conversion.Fail(node, error);
        }

        value = parsed;
        return true;
    }

    public override string? Format(object value) => value.ToString();
}
