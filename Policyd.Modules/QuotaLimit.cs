using System.Globalization;
using Policyd.Configuration.Values;

namespace Policyd.Modules;

/// <summary>
/// A Quota's threshold: a number, or <c>unlimited</c> in any case. A user who has no limit is written as such in a database or directory,
/// not with a number that is thought large enough.
/// </summary>
/// <param name="Value">The sum from which on the action is answered; positive infinity for <c>unlimited</c>, never another that is not
/// finite.</param>
public readonly record struct QuotaLimit(double Value) : IOptionValue<QuotaLimit>
{
    /// <summary>How no limit is written.</summary>
    public const string UnlimitedText = "unlimited";

    /// <summary>Whether no sum reaches it.</summary>
    public bool IsUnlimited => double.IsPositiveInfinity(Value);

    /// <inheritdoc/>
    public static bool TryParse(string text, out QuotaLimit value, out string? error)
    {
        ArgumentNullException.ThrowIfNull(text);
        var trimmed = text.AsSpan().Trim();
        var isUnlimited = trimmed.Equals(UnlimitedText, StringComparison.OrdinalIgnoreCase);
        var number = double.PositiveInfinity;
        var fits = isUnlimited
            || (double.TryParse(trimmed, NumberStyles.Float, CultureInfo.InvariantCulture, out number) && double.IsFinite(number));
        value = fits ? new QuotaLimit(number) : default;
        error = fits ? null : $"expected a number or {UnlimitedText}, found \"{text}\"";
        return fits;
    }

    /// <summary>As it is configured.</summary>
    public override string ToString() => IsUnlimited ? UnlimitedText : Value.ToString(CultureInfo.InvariantCulture);
}
