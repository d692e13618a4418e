using Policyd.Configuration.Options;
using Policyd.Plugins.Api;
using Policyd.Plugins.Dns;
using Policyd.Plugins.Idna;

namespace Policyd.Modules.DnsLists;

// The domain of a list as it is asked, and as it may be shown: some lists have each subscriber's key in their domain.
internal sealed class ListDomain
{
    private const string KeyPlace = "%KEY%";
    private readonly string[] _secrets;

    private ListDomain(string name, string shown, string[] secrets)
    {
        Name = name;
        Shown = shown;
        _secrets = secrets;
    }

    /// <summary>The name to ask; in no message and no log.</summary>
    public string Name { get; }

    /// <summary>The name with its secrets masked.</summary>
    public string Shown { get; }

    /// <summary>Puts the key into the domain; null, and an error at the option's place, when they do not fit.</summary>
    /// <param name="setup">The plugin's.</param>
    /// <param name="domain">The option <c>domain</c>.</param>
    /// <param name="key">The option <c>key</c>.</param>
    public static ListDomain? Create(PluginSetup setup, string domain, string? key)
    {
        var hasPlace = domain.Contains(KeyPlace, StringComparison.Ordinal);
        var hasKey = key is { Length: > 0 };
        if (hasPlace != hasKey)
        {
            setup.Error(
                hasKey ? "key" : "domain",
                hasKey ? $"domain contains no {KeyPlace} to be replaced by the key" : $"{KeyPlace} needs the option key");
            return null;
        }

        if (hasKey && (key!.Length > DnsName.MaxLabel || !key.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_')))
        {
            setup.Error("key", $"the key must be one label of a domain: up to {DnsName.MaxLabel} letters, digits, - and _");
            return null;
        }

        var shown = Map(domain, SecretOptionAttribute.Mask);
        if (Map(domain, key) is not { } mapped
            || mapped.Contains('%', StringComparison.Ordinal)
            || !DnsName.TryNormalize(mapped, out var name))
        {
            setup.Error("domain", $"\"{SecretLabelsAttribute.HideLabels(shown ?? domain)}\" is not a domain name");
            return null;
        }

        string[] secrets = [.. name.Split('.').Where(SecretLabelsAttribute.IsSecret), .. hasKey ? [key!] : Array.Empty<string>()];
        return new ListDomain(name, SecretLabelsAttribute.HideLabels(shown!), secrets);
    }

    /// <summary>A text of the list with its secrets masked: some lists repeat what they were asked.</summary>
    public string Hide(string text)
    {
        foreach (var secret in _secrets)
        {
            text = text.Replace(secret, SecretOptionAttribute.Mask, StringComparison.OrdinalIgnoreCase);
        }

        return text;
    }

    private static string? Map(string domain, string? key) =>
        DomainText.ToAscii(domain.Trim('.').Replace(KeyPlace, key, StringComparison.Ordinal));
}
