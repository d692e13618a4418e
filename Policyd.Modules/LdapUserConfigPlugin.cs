using System.ComponentModel;
using Policyd.Plugins.Api;
using Policyd.Plugins.Ldap;
using Policyd.Plugins.Logging;
using Policyd.Plugins.Services;
using Policyd.Plugins.Sources;

namespace Policyd.Modules;

/// <summary>Reads a user's settings from a directory into the session, where options with uc_ find them.</summary>
[Module("LdapUserConfig")]
[SideEffects]
public sealed class LdapUserConfigPlugin : Plugin
{
    private LdapLookup _lookup = null!;
    private SourceLog _refused = null!;
    private string[] _fields = [];

    /// <summary>Where to search.</summary>
    [Description("the distinguished name at which the search starts")]
    public string Basedn { get; set; } = "";

    /// <summary>What to search.</summary>
    [Description("the search filter; %s is replaced by the attribute's value, escaped")]
    public required string Filter { get; set; }

    /// <summary>The attribute of the request.</summary>
    [Description("the request attribute that replaces %s"), AttributeName]
    public string FilterField { get; set; } = "sasl_username";

    /// <summary>What to read.</summary>
    [Description("the entry's attributes to copy to the session, separated by commas")]
    public required string ConfigFields { get; set; }

    /// <summary>The connection.</summary>
    [Description("the LDAP connection")]
    public string Ldap { get; set; } = "ldap";

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup)
    {
        _fields = ConfigFields.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (_fields.Length == 0)
        {
            setup.Error("config_fields", "the list of attributes is empty");
        }

        // A blank in place of a comma makes one name of two.
        foreach (var field in _fields.Where(static field => !field.All(IsOfName)))
        {
            setup.Warning("config_fields", $"no entry has an attribute \"{field}\"; names are separated by commas");
        }

        if (!Filter.Contains("%s", StringComparison.Ordinal))
        {
            setup.Warning("filter", $"it has no %s for {FilterField}, so that the search is the same for every mail");
        }

        _refused = new SourceLog($"connection {Ldap}", setup.Clock);
        _lookup = setup.Search("filter", Filter, Basedn, _fields, Ldap)!;
    }

    /// <inheritdoc/>
    public override async ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        if (context.Request[FilterField] is not { Length: > 0 } value)
        {
            Log(context, $"{FilterField} is empty; nothing to look up");
            return PluginResult.Continue;
        }

        try
        {
            // Two entries are as bad as a thousand.
            var result = await _lookup.SearchAsync(context, value, most: 2).ConfigureAwait(false);
            context.Note(FilterField, value, Basedn, result.Entries.Count == 1 ? "one entry" : "not one entry");
            Take(context, value, result);
        }
        catch (LdapException exception)
        {
            // The connection warns; this is for who looks for one mail.
            context.Log(PolicyLogLevel.Debug, this, $"no settings for {value}: {exception.Message}");
        }

        return PluginResult.Continue;
    }

    // RFC 4512, section 2.5, and the low line, which some servers allow.
    private static bool IsOfName(char c) => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or ';' or '_';

    private void Take(PluginContext context, string value, LdapResult result)
    {
        if (result.Code is not (LdapResult.Success or LdapResult.SizeLimitExceeded or LdapResult.NoSuchObject))
        {
            // Most often all searches fail so, for want of a right to read: not a line for each.
            _refused.Away(context, this, $"the search for {value} failed: {result}");
            return;
        }

        _refused.Back(context, this);
        if (result.Entries.Count != 1 || result.Code == LdapResult.SizeLimitExceeded)
        {
            Log(context, $"{(result.Entries.Count == 0 ? "no entry" : "several entries")} for {value}");
        }
        else
        {
            foreach (var field in _fields)
            {
                if (result.Entries[0].Attributes.TryGetValue(field, out var values) && values.Count > 0 && values[0].Length > 0)
                {
                    context.Session[field] = values[0];
                    context.Note(field, values[0], "set in the session");
                }
            }
        }
    }
}
