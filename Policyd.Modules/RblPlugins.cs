using System.ComponentModel;
using System.Net;
using Policyd.Configuration.Options;
using Policyd.Modules.DnsLists;
using Policyd.Plugins.Addresses;
using Policyd.Plugins.Api;
using Policyd.Plugins.Perl;

namespace Policyd.Modules;

/// <summary>What happens when a list knows the client.</summary>
public enum ListMode
{
    /// <summary>The mail is rejected.</summary>
    Reject,

    /// <summary>The chain ends without an objection.</summary>
    Accept,

    /// <summary>Only the score counts.</summary>
    Passive,
}

/// <summary>What RBL and RBLAction do with a client that a list knows.</summary>
public abstract class ListPlugin : Plugin
{
    private const string TextPlace = "INFO";
    private ActionTemplate _reject = "";

    /// <summary>Whether a message of the plugin may show the list's text.</summary>
    private protected bool ShowsText => Mode.MayBe(ListMode.Reject) && _reject.Shows(TextPlace);

    /// <summary>Whether it acts.</summary>
    [Description("off: do nothing")]
    public UserOption<bool> Enabled { get; set; } = new(true);

    /// <summary>What a match gets.</summary>
    [Description("what to do on a match: reject; accept: end the chain, the mail goes on; passive: only score")]
    public UserOption<ListMode> Mode { get; set; } = new(ListMode.Reject);

    /// <summary>The text of the rejection.</summary>
    [Description("the text after reject; %IP% and %INFO% (the list's text, in brackets) are replaced"), Places("IP", "INFO")]
    public string RejectMessage { get; set; } = "delivery from %IP% rejected %INFO%";

    /// <summary>The score of a match.</summary>
    [Description("the score to add on a match, once per mail")]
    public double? Score { get; set; }

    /// <summary>Which score.</summary>
    [Description("the session key of the score")]
    public string ScoreField { get; set; } = "score";

    /// <summary>What counts as a listing.</summary>
    [Description(
        "the answers that count as a listing, in Postfix syntax: 127.0.0.[2;4;6..8]; default: all except the answers "
            + "by which lists refuse a query")]
    public IReadOnlyList<AnswerPattern> Answers { get; set; } = [];

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup) =>
        _reject = MessageText.ActionOf(setup, "reject_message", "reject", RejectMessage);

    /// <summary>Where the result of an RBL plugin is in the session.</summary>
    internal static string ResultKey(string plugin) => $"rbl-{plugin}-result";

    private protected PluginResult Match(PluginContext context, ListResult result)
    {
        context.AddScoreOnce(Name, Score, ScoreField);
        return Mode.For(context) switch
        {
            ListMode.Reject => PluginResult.Answer(_reject.Fill(Place, (context.Request.ClientAddress, result.Info))),
            ListMode.Accept => PluginResult.Answer("dunno"),
            _ => PluginResult.Continue,
        };
    }

    private static string? Place(string name, (string Address, string Info) of) => name switch
    {
        "IP" => of.Address,
        TextPlace => of.Info.Length > 0 ? $"({of.Info})" : "",
        _ => null,
    };
}

/// <summary>Looks the client's address up in a DNS list.</summary>
[Module("RBL")]
[SideEffects]
public sealed class RblPlugin : ListPlugin, IStartsLookups
{
    private Blocklist _list = null!;
    private ShownTexts _shown = null!;
    private string _key = "";

    // Known when all plugins are initialized: those that act on the result come after this one.
    private bool AsksText => ShowsText || _shown.Has(Name);

    /// <summary>The list.</summary>
    [Description("the list's domain; %KEY% is the key"), SecretLabels]
    public required string Domain { get; set; }

    /// <summary>The subscriber's key.</summary>
    [Description("the key that the list's operator gave you; it replaces %KEY% in domain"), SecretOption]
    public string? Key { get; set; }

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup)
    {
        base.Initialize(setup);
        _key = ResultKey(Name);
        _list = Blocklist.Create(setup, Domain, Key, Answers)!;
        _shown = setup.Shared(static () => new ShownTexts());
    }

    /// <inheritdoc/>
    public void StartLookups(PluginContext context)
    {
        if (Enabled.For(context) && !context.Session.Has(_key) && ClientAddress.Parse(context.Request.ClientAddress) is { } address)
        {
            _list.Start(address.Reversed(), AsksText);
        }
    }

    /// <inheritdoc/>
    public override async ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        if (!Enabled.For(context))
        {
            return PluginResult.Continue;
        }

        if (!context.Session.TryGet<ListResult>(_key, out var result) || result is null)
        {
            if (ClientAddress.Parse(context.Request.ClientAddress) is not { } address)
            {
                return PluginResult.Continue;
            }

            result = await _list.LookUpAsync(address.Reversed(), AsksText, context, this).ConfigureAwait(false);
            if (result is null)
            {
                return PluginResult.Continue;
            }

            context.Session.Set(_key, result);
        }

        _list.Note(context, context.Request.ClientAddress, result);
        return result.Addresses.Length > 0 ? Match(context, result) : PluginResult.Continue;
    }
}

/// <summary>Acts on what an RBL plugin before it has found: lists that tell several kinds of clients apart.</summary>
[Module("RBLAction")]
[SideEffects]
public sealed class RblActionPlugin : ListPlugin
{
    private string _key = "";

    /// <summary>The RBL plugin.</summary>
    [Description("the name of the RBL plugin whose result is used")]
    public required string ResultFrom { get; set; }

    /// <summary>Which results.</summary>
    [Description("the regular expression that an address of the result must match; required without answers")]
    public PerlRegex? ReMatch { get; set; }

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup)
    {
        base.Initialize(setup);
        _key = ResultKey(ResultFrom);
        setup.UseResultOf<RblPlugin>("result_from", ResultFrom);
        if (ShowsText)
        {
            setup.Shared(static () => new ShownTexts()).Add(ResultFrom);
        }

        if (ReMatch is null && Answers.Count == 0)
        {
            setup.Error("re_match", "set re_match or answers to say which results match");
        }

        if (ReMatch is { Text.Length: 0 })
        {
            setup.Warning("re_match", "an empty expression matches every result; write .* if that is meant");
        }
    }

    /// <inheritdoc/>
    public override ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        if (!Enabled.For(context))
        {
            return default;
        }

        if (!context.Session.TryGet<ListResult>(_key, out var result) || result is null)
        {
            Log(context, $"{ResultFrom} has no result");
            context.Note<string?>(ResultFrom, null, "no result");
            return default;
        }

        var isMatch = CountingOf(result).Any(address => ReMatch?.IsMatch(address) != false);
        if (context.TakesNotes)
        {
            context.Note(
                ResultFrom, string.Join(' ', result.Addresses), ReMatch?.Text ?? string.Join(' ', Answers), isMatch ? "match" : "no match");
        }

        return isMatch ? new(Match(context, result)) : default;
    }

    // Its own answers are asked of all that the list said, also of what does not count for the RBL plugin.
    private IEnumerable<string> CountingOf(ListResult result)
    {
        return Answers.Count == 0
            ? result.Addresses
            : result.Addresses.Concat(result.Others ?? [])
                .Where(address => IPAddress.TryParse(address, out var parsed) && Answers.Any(pattern => pattern.Matches(parsed)));
    }
}
