using System.ComponentModel;
using Policyd.Plugins.Addresses;
using Policyd.Plugins.Api;
using Policyd.Plugins.Services;

namespace Policyd.Modules;

/// <summary>Looks up the country of the client's address; GeoIPAction acts on it.</summary>
[Module("GeoIPLookup")]
[SideEffects]
public sealed class GeoIpLookupPlugin : Plugin
{
    private CountryLookup _countries = null!;
    private string _resultKey = "";

    /// <summary>The database.</summary>
    [Description("the country database: a MaxMind .mmdb file or a file in the older .dat format; it is read again when it changes")]
    public string Database { get; set; } = "/usr/share/GeoIP/GeoIP.dat";

    /// <summary>The session's key of what the lookup of a name found.</summary>
    internal static string ResultKeyOf(string plugin) => $"geoip-{plugin}-result";

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup)
    {
        _resultKey = ResultKeyOf(Name);
        _countries = setup.Countries("database", Database, "Until it can be read, no country is known.");
    }

    /// <inheritdoc/>
    public override ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        if (!context.Session.Has(_resultKey)
            && ClientAddress.Parse(context.Request.ClientAddress) is { } address
            && _countries.TryFind(address, out var country))
        {
            context.Session[_resultKey] = country ?? "";
        }

        if (context.TakesNotes)
        {
            context.Note("client_address", context.Request.ClientAddress, context.Session[_resultKey]);
        }

        return default;
    }
}

/// <summary>Acts on the country that a GeoIPLookup found.</summary>
[Module("GeoIPAction")]
[SideEffects]
public sealed class GeoIpActionPlugin : Plugin
{
    private string _resultKey = "";
    private ActionTemplate _reject = new("reject");
    private HashSet<string> _countries = [];

    /// <summary>Which lookup.</summary>
    [Description("the name of the GeoIPLookup plugin; it must come before this one")]
    public required string ResultFrom { get; set; }

    /// <summary>The countries.</summary>
    [Description("the country codes, two letters each")]
    public required IReadOnlyList<string> CountryCodes { get; set; }

    /// <summary>Whether it acts.</summary>
    [Description("off: do nothing")]
    public UserOption<bool> Enabled { get; set; } = new(true);

    /// <summary>What a match does.</summary>
    [Description("what to do on a match: reject, accept or dunno (end the chain, the mail goes on), or passive (only score)")]
    public UserOption<MatchMode> Mode { get; set; } = new(MatchMode.Reject);

    /// <summary>The text of a reject.</summary>
    [Description("the text after reject; %CC% (the country) and %IP% are replaced"), Places("CC", "IP")]
    public string RejectMessage { get; set; } = "delivery from %CC% (%IP%) rejected";

    /// <summary>The score of a match.</summary>
    [Description("the score to add, once per mail")]
    public double? Score { get; set; }

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup)
    {
        _resultKey = GeoIpLookupPlugin.ResultKeyOf(ResultFrom);
        setup.UseResultOf<GeoIpLookupPlugin>("result_from", ResultFrom);
        _reject = MessageText.ActionOf(setup, "reject_message", "reject", RejectMessage);
        _countries = new HashSet<string>(CountryCodes, StringComparer.OrdinalIgnoreCase);
        if (CountryCodes.Count == 0)
        {
            setup.Warning("country_codes", "the list is empty; set the codes of countries");
        }

        foreach (var code in CountryCodes.Where(static code => code.Length != 2))
        {
            setup.Error("country_codes", $"\"{code}\" is not a country code; it needs two letters");
        }
    }

    /// <inheritdoc/>
    public override ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        if (!Enabled.For(context))
        {
            return default;
        }

        if (context.Session[_resultKey] is not { } country)
        {
            Log(context, $"{ResultFrom} has no result: its database cannot be read, or it comes after this plugin");
            return default;
        }

        var isOneOf = _countries.Contains(country);
        if (context.TakesNotes)
        {
            context.Note("country", country, string.Join(' ', CountryCodes), isOneOf ? "match" : "no match");
        }

        if (!isOneOf)
        {
            return default;
        }

        context.AddScoreOnce(Name, Score);

        return new ValueTask<PluginResult>(Mode.For(context) switch
        {
            MatchMode.Reject => PluginResult.Answer(_reject.Fill(
                static (name, of) => name switch
                {
                    "CC" => of.Country,
                    "IP" => of.Address,
                    _ => null,
                },
                (Country: country, Address: context.Request.ClientAddress))),
            MatchMode.Passive => PluginResult.Continue,
            _ => PluginResult.Answer("dunno"),
        });
    }
}
