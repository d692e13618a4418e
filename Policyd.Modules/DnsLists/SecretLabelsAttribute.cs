using Policyd.Configuration.Options;

namespace Policyd.Modules.DnsLists;

/// <summary>
/// The option is the domain of a DNS list, which may hold a subscriber's key as a label: <c>KEY.zen.dq.spamhaus.net</c>. A label of 20 or
/// more letters and digits is taken for one, and masked wherever the domain is shown.
/// </summary>
public sealed class SecretLabelsAttribute : SecretOptionAttribute
{
    private const int LeastLength = 20;

    /// <inheritdoc/>
    public override string Hide(string value) => HideLabels(value);

    /// <summary>A domain with its secret labels masked.</summary>
    /// <param name="domain">The domain.</param>
    public static string HideLabels(string domain)
    {
        ArgumentNullException.ThrowIfNull(domain);
        return string.Join('.', domain.Split('.').Select(static label => IsSecret(label) ? Mask : label));
    }

    /// <summary>Whether a label is taken for a key.</summary>
    /// <param name="label">A label.</param>
    public static bool IsSecret(string label)
    {
        ArgumentNullException.ThrowIfNull(label);
        return label.Length >= LeastLength && label.All(char.IsAsciiLetterOrDigit);
    }
}
