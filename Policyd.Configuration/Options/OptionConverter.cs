using Policyd.Configuration.Tree;

namespace Policyd.Configuration.Options;

// From a node of the tree to a value of one type, and back to text. There is one converter a type; OptionConverters makes and keeps them.
internal abstract class OptionConverter
{
    /// <summary>The type in words, as it stands in messages behind "expected" and in the schema.</summary>
    public abstract string TypeName { get; }

    /// <summary>The type of options inside, when the value is an object or a collection of objects.</summary>
    public virtual Type? NestedType => null;

    /// <summary>Converts a node that is not null; reports what is wrong with it.</summary>
    public abstract bool TryConvert(ConfigNode node, OptionConversion conversion, out object? value);

    /// <summary>The value as a file would have it; null when it has no short form.</summary>
    public abstract string? Format(object value);
}

/// <summary>What a conversion needs to know: the option's name for messages, where they go, and how a text is cut into a list.</summary>
internal readonly record struct OptionConversion(string Option, DiagnosticBag Diagnostics, string Separators = ",", bool IsSecret = false)
{
    public bool Fail(ConfigNode node, string message)
    {
        Diagnostics.Error(node.Position, $"{Option}: {message}");
        return false;
    }

    public bool Expected(ConfigNode node, string expected)
    {
        var found = node is not ConfigScalar scalar ? node.Describe()
            : IsSecret ? "something else (it is secret and not shown)"
            : Printable.Quote(scalar.Text);
        return Fail(node, $"expected {expected}, found {found}");
    }
}

/// <summary>A converter whose values are written as one scalar.</summary>
internal sealed class ScalarConverter<T>(string typeName, ScalarConverter<T>.Parser parse, Func<T, string?> format) : OptionConverter
{
    /// <summary>Makes the value; <paramref name="error"/> is null for the usual "expected X, found Y".</summary>
    public delegate bool Parser(string text, out T? value, out string? error);

    public override string TypeName => typeName;

    public override bool TryConvert(ConfigNode node, OptionConversion conversion, out object? value)
    {
        value = null;
        if (node is not ConfigScalar scalar)
        {
            return conversion.Expected(node, typeName);
        }

        if (!parse(scalar.Text, out var parsed, out var error))
        {
            return error is null ? conversion.Expected(node, typeName) : conversion.Fail(node, error);
        }

        value = parsed;
        return true;
    }

    public override string? Format(object value) => format((T)value);
}
