using System.Globalization;
using System.Text;

namespace Policyd.Plugins.Sql;

/// <summary>One row of an answer. It is in memory: it may be kept, and read from any thread.</summary>
public sealed class SqlRow
{
    /// <summary>The most characters and bytes that the rows of one answer hold together.</summary>
    public const int MostCharacters = 1_000_000;

    private readonly string[] _names;
    private readonly object?[] _values;

    internal SqlRow(string[] names, object?[] values) => (_names, _values) = (names, values);

    /// <summary>The number of columns.</summary>
    public int Count => _values.Length;

    /// <summary>
    /// A column by its number. Numbers, text, truth values and times are converted into one another where that loses nothing; bytes are
    /// read as UTF-8 text.
    /// </summary>
    /// <typeparam name="T">What to read it as; nullable where the column may be NULL.</typeparam>
    /// <param name="column">The number, from 0.</param>
    /// <returns>The value; the default of <typeparamref name="T"/> when the column is NULL.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such column.</exception>
    /// <exception cref="InvalidDataException">The value cannot be read as a <typeparamref name="T"/>.</exception>
    public T? Get<T>(int column)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(column);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(column, Count);
        return To<T>(_values[column], _names[column]);
    }

    /// <summary>A column by its name; letter case does not matter.</summary>
    /// <typeparam name="T">What to read it as; nullable where the column may be NULL.</typeparam>
    /// <param name="column">The name.</param>
    /// <returns>The value; the default of <typeparamref name="T"/> when the column is NULL.</returns>
    /// <exception cref="ArgumentException">There is no such column.</exception>
    /// <exception cref="InvalidDataException">The value cannot be read as a <typeparamref name="T"/>.</exception>
    public T? Get<T>(string column)
    {
        var index = Array.FindIndex(_names, name => name.Equals(column, StringComparison.OrdinalIgnoreCase));
        return index >= 0
            ? Get<T>(index)
            : throw new ArgumentException($"there is no column \"{column}\"; the answer has {string.Join(", ", _names)}", nameof(column));
    }

    private static T? To<T>(object? value, string column)
    {
        switch (value)
        {
            case null:
                return default;
            case T same:
                return same;
        }

        var type = Nullable.GetUnderlyingType(typeof(T)) ?? typeof(T);
        try
        {
            return (T)Converted(value is byte[] bytes ? Encoding.UTF8.GetString(bytes) : value, type);
        }
        catch (Exception e) when (e is FormatException or InvalidCastException or OverflowException)
        {
            throw new InvalidDataException($"the column {column} holds a {value.GetType().Name} that cannot be read as {type.Name}", e);
        }
    }

    private static object Converted(object value, Type type)
    {
        var culture = CultureInfo.InvariantCulture;
        if (value is string text && type == typeof(bool))
        {
            return text.ToUpperInvariant() switch
            {
                "1" or "T" or "TRUE" or "Y" or "YES" or "ON" => true,
                "0" or "F" or "FALSE" or "N" or "NO" or "OFF" or "" => false,
                _ => throw new FormatException(),
            };
        }

        if (type == typeof(Guid))
        {
            return Guid.Parse(Convert.ToString(value, culture)!);
        }

        if (type == typeof(DateTimeOffset))
        {
            // SQLite's CURRENT_TIMESTAMP and its like have no zone and are in UTC.
            return value is DateTime time
                ? new DateTimeOffset(time.Kind == DateTimeKind.Local ? time : DateTime.SpecifyKind(time, DateTimeKind.Utc))
                : DateTimeOffset.Parse(Convert.ToString(value, culture)!, culture, DateTimeStyles.AssumeUniversal);
        }

        // ChangeType rounds a fraction to a whole number without a word.
        if (value is double or float or decimal && type.IsPrimitive && type != typeof(double) && type != typeof(float)
            && type != typeof(bool) && Convert.ToDecimal(value, culture) % 1 != 0)
        {
            throw new OverflowException();
        }

        return Convert.ChangeType(value, type, culture);
    }
}
