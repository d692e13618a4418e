using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Reflection;
using Policyd.Configuration.Options;
using Policyd.Configuration.Values;
using Policyd.Plugins.Logging;
using Policyd.Protocol;

namespace Policyd.Plugins.Api;

/// <summary>
/// An option X that a user may have otherwise: with <c>uc_X = KEY</c> the session's value of KEY, which a user-config module put there,
/// stands before the option's own.
/// </summary>
/// <typeparam name="T">text, number, on/off, a duration, an enum, or a type that is an <see cref="IOptionValue{TSelf}"/>.</typeparam>
[SuppressMessage("Design", "CA1000", Justification = "The binder calls these statics; authors do not.")]
public sealed class UserOption<T> : IMultiKeyOption<UserOption<T>>
{
    // Null where no text can become a value.
    private static readonly TextParser? s_parser = MakeParser();

    /// <summary>Makes the option.</summary>
    /// <param name="value">Its own value.</param>
    public UserOption(T value) => Default = value;

    private delegate bool TextParser(string text, out T? value);

    /// <summary>The option's own value.</summary>
    public T Default { get; }

    /// <summary>The session's key that stands before it; null when there is none.</summary>
    public string? SessionKey { get; private init; }

    /// <summary>The name of the option, for messages.</summary>
    public string Name { get; private init; } = "";

    /// <summary>An option with a value and no session key.</summary>
    /// <param name="value">The value.</param>
    public static implicit operator UserOption<T>(T value) => new(value);

    /// <inheritdoc/>
    public static IReadOnlyList<OptionKey> KeysOf(string name) =>
        [new OptionKey(name, typeof(T)), new OptionKey("uc_" + name, typeof(string), $"the session key whose value overrides {name}")];

    /// <inheritdoc/>
    public static UserOption<T> Bind(OptionReader reader, UserOption<T>? current)
    {
        var value = reader.TryRead<T>(reader.Name, out var own) ? own : current is null ? default! : current.Default;
        var sessionKey = reader.TryRead<string>("uc_" + reader.Name, out var key) ? key : current?.SessionKey;
        if (sessionKey is not null && s_parser is null)
        {
            reader.Diagnostics.Error(
                reader.Source.PositionOf("uc_" + reader.Name),
                $"uc_{reader.Name}: the option has the type {typeof(T).Name}, which a session value cannot have; this is an error in the "
                    + "plugin");
        }

        return new UserOption<T>(value) { Name = reader.Name, SessionKey = sessionKey };
    }

    /// <summary>Whether a request may have this value: it is the option's own, or a user may have any.</summary>
    /// <param name="value">The value.</param>
    public bool MayBe(T value) => SessionKey is not null || EqualityComparer<T>.Default.Equals(Default, value);

    /// <inheritdoc/>
    public object? ValueOf(string key) => key.StartsWith("uc_", StringComparison.Ordinal) ? SessionKey : Default;

    /// <summary>
    /// The value for a request. A session value that is no such value is logged as a warning and the option's own is used.
    /// </summary>
    /// <param name="context">The request and its session.</param>
    public T For(PluginContext context)
    {
        if (!TryFor(context, out var value, out var problem))
        {
            context.Log(
                PolicyLogLevel.Warning,
                null,
                $"{SessionKey} = \"{context.Session[SessionKey!]}\" in the session is not a valid value of the option {Name}"
                    + $"{(problem is null ? "" : $" ({problem})")}; the option's own value is used");
        }

        return value;
    }

    /// <summary>The same without a word in the log.</summary>
    /// <param name="context">The request and its session.</param>
    /// <param name="value">The value; the option's own after a false.</param>
    /// <returns>False when the session has a value that is no such value.</returns>
    public bool TryFor(PluginContext context, out T value) => TryFor(context, out value, out _);

    private bool TryFor(PluginContext context, out T value, out string? problem)
    {
        (value, problem) = (Default, null);
        if (SessionKey is null || context.Session[SessionKey] is not { } text)
        {
            return true;
        }

        if (s_parser is null || !s_parser(text, out var parsed))
        {
            return false;
        }

        // As the operator's own action at the start: what Postfix does not obey would make the plugin fail for each mail of this user.
        if (parsed is ActionTemplate action && context.Run.Grammar.Judge(action.Sample, out problem) != ActionVerdict.Fits)
        {
            return false;
        }

        value = parsed!;
        context.Note(Name, text, SessionKey);
        return true;
    }

    private static TextParser? MakeParser()
    {
        var type = Nullable.GetUnderlyingType(typeof(T)) ?? typeof(T);
        if (type == typeof(string))
        {
            return Converted(static text => (true, text));
        }

        if (type == typeof(bool))
        {
            return Converted(static text => (TryBool(text, out var value), value));
        }

        if (type == typeof(double))
        {
            return Converted(static text => (
                double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && double.IsFinite(value), value));
        }

        if (type == typeof(int))
        {
            return Converted(
                static text => (int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value), value));
        }

        if (type == typeof(long))
        {
            return Converted(
                static text => (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value), value));
        }

        if (type == typeof(TimeSpan))
        {
            return Converted(static text => (DurationText.TryParse(text, out var value, out _), value));
        }

        if (type.IsEnum)
        {
            // By name only, as in the configuration: Enum.TryParse would also take the number of a member, and several names at once.
            var members = Enum.GetNames(type).ToDictionary(
                static name => name.Replace("_", "", StringComparison.Ordinal),
                name => Enum.Parse(type, name),
                StringComparer.OrdinalIgnoreCase);
            return Converted(text => (
                members.TryGetValue(text.Trim().Replace("_", "", StringComparison.Ordinal), out var value), value));
        }

        var maker = typeof(UserOption<T>).GetMethod(nameof(OfOptionValue), BindingFlags.NonPublic | BindingFlags.Static)!;
        return type.GetInterfaces().Any(i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IOptionValue<>))
            ? (TextParser)maker.MakeGenericMethod(type).Invoke(null, [])!
            : null;
    }

    private static TextParser OfOptionValue<TValue>() where TValue : IOptionValue<TValue> =>
        Converted(static text => (TValue.TryParse(text, out var value, out _), value));

    private static TextParser Converted(Func<string, (bool Fits, object? Value)> convert) => (text, out value) =>
    {
        var (fits, converted) = convert(text);
        value = fits ? (T?)converted : default;
        return fits;
    };

    private static bool TryBool(string text, out bool value)
    {
        value = text.ToUpperInvariant() is "ON" or "YES" or "TRUE" or "1";
        return value || text.ToUpperInvariant() is "OFF" or "NO" or "FALSE" or "0";
    }
}
