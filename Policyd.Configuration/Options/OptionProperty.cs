using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Reflection;
using System.Runtime.CompilerServices;
using Policyd.Configuration.Tree;

namespace Policyd.Configuration.Options;

/// <summary>One property of a type of options with all that reflection has to say about it.</summary>
internal sealed class OptionProperty
{
    private readonly PropertyInfo _property;
    private readonly ValidationAttribute[] _validations;

    public OptionProperty(PropertyInfo property)
    {
        _property = property;
        var given = property.GetCustomAttribute<OptionNameAttribute>();
        Name = given?.Name ?? OptionNames.Snake(property.Name);
        Aliases = given?.Aliases ?? [];
        IsRequired = property.IsDefined(typeof(RequiredMemberAttribute), inherit: false);
        Description = property.GetCustomAttribute<DescriptionAttribute>()?.Description ?? "";
        Separators = property.GetCustomAttribute<OptionListAttribute>()?.Separators ?? ",";
        Secret = property.GetCustomAttribute<SecretOptionAttribute>(inherit: true) ?? SecretOptionAttribute.ByName(Name);
        _validations = [.. property.GetCustomAttributes<ValidationAttribute>()];
        MultiKey = MultiKeyAdapter.For(property.PropertyType);
        Keys = MultiKey?.KeysOf(Name) ?? [new OptionKey(Name, property.PropertyType)];
        if (MultiKey is null)
        {
            Converter = OptionConverters.For(property.PropertyType);
        }
    }

    public string Name { get; }

    public IReadOnlyList<string> Aliases { get; }

    public IReadOnlyList<OptionKey> Keys { get; }

    public bool IsRequired { get; }

    public string Description { get; }

    public string Separators { get; }

    /// <summary>The declaration that the value is secret; null when it may be shown.</summary>
    public SecretOptionAttribute? Secret { get; }

    public MultiKeyAdapter? MultiKey { get; }

    /// <summary>Null for a multi-key option, and for a type that is no type of option.</summary>
    public OptionConverter? Converter { get; }

    public string ClrName => $"{_property.DeclaringType?.Name}.{_property.Name}";

    public string ClrType => _property.PropertyType.Name;

    public object? Get(object target) => _property.GetValue(target);

    /// <summary>Sets the property, unless its attributes or its own setter refuse the value.</summary>
    public bool Set(object target, object? value, SourcePosition position, DiagnosticBag diagnostics)
    {
        foreach (var validation in _validations)
        {
            if (validation.IsValid(value))
            {
                continue;
            }

            diagnostics.Error(position, $"{Name}: {validation.FormatErrorMessage(Name)}");
            return false;
        }

        try
        {
            _property.SetValue(target, value);
            return true;
        }
        catch (TargetInvocationException e)
        {
            diagnostics.Error(position, $"{Name}: {ConfigurationFault.Of(e)}");
            return false;
        }
    }
}

/// <summary>Calls the static members of an <see cref="IMultiKeyOption{TSelf}"/> whose type is known at run time only.</summary>
internal abstract class MultiKeyAdapter
{
    public static MultiKeyAdapter? For(Type type) =>
        type.GetInterfaces()
            .Any(i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IMultiKeyOption<>) && i.GenericTypeArguments[0] == type)
            ? (MultiKeyAdapter)Activator.CreateInstance(typeof(Of<>).MakeGenericType(type))!
            : null;

    public abstract IReadOnlyList<OptionKey> KeysOf(string name);

    public abstract object Bind(OptionReader reader, object? current);

    public abstract object? ValueOf(object option, string key);

    private sealed class Of<T> : MultiKeyAdapter where T : IMultiKeyOption<T>
    {
        public override IReadOnlyList<OptionKey> KeysOf(string name) => T.KeysOf(name);

        public override object Bind(OptionReader reader, object? current) => T.Bind(reader, (T?)current);

        public override object? ValueOf(object option, string key) => ((T)option).ValueOf(key);
    }
}
