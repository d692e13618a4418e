using System.ComponentModel;
using System.Net;
using System.Text;
using Policyd.Configuration.Options;
using Policyd.Modules.DnsLists;
using Policyd.Plugins.Api;
using Policyd.Plugins.Idna;

namespace Policyd.Modules;

/// <summary>What happens when a list knows a name.</summary>
public enum NameListMode
{
    /// <summary>The mail is rejected.</summary>
    Reject,

    /// <summary>Only the score counts.</summary>
    Passive,
}

/// <summary>Looks the sender's domain, the client's name and its HELO up in a DNS list of domains.</summary>
[Module("DBL")]
[SideEffects]
public sealed class DblPlugin : Plugin, IStartsLookups
{
    private const string TextPlace = "INFO";
    private Blocklist _list = null!;
    private ActionTemplate _reject = null!;

    /// <summary>The list.</summary>
    [Description("the list's domain; %KEY% is the key"), SecretLabels]
    public required string Domain { get; set; }

    /// <summary>The subscriber's key.</summary>
    [Description("the key that the list's operator gave you; it replaces %KEY% in domain"), SecretOption]
    public string? Key { get; set; }

    /// <summary>Whether it looks.</summary>
    [Description("off: do nothing")]
    public UserOption<bool> Enabled { get; set; } = new(true);

    /// <summary>What a listed sender gets.</summary>
    [Description("what to do when the sender's domain is listed: reject or passive")]
    public UserOption<NameListMode> SenderMode { get; set; } = new(NameListMode.Reject);

    /// <summary>The score of a listed sender.</summary>
    [Description("the score to add when the sender's domain is listed, once per mail")]
    public double SenderScore { get; set; } = 5;

    /// <summary>What a client with a listed name gets.</summary>
    [Description("what to do when the client's name is listed: reject or passive")]
    public UserOption<NameListMode> ReverseClientNameMode { get; set; } = new(NameListMode.Reject);

    /// <summary>The score of a client with a listed name.</summary>
    [Description("the score to add when the client's name is listed, once per mail")]
    public double ReverseClientNameScore { get; set; } = 2.5;

    /// <summary>What a client with a listed HELO gets.</summary>
    [Description("what to do when the HELO name is listed: reject or passive")]
    public UserOption<NameListMode> HeloNameMode { get; set; } = new(NameListMode.Passive);

    /// <summary>The score of a client with a listed HELO.</summary>
    [Description("the score to add when the HELO name is listed, once per mail")]
    public double HeloNameScore { get; set; } = 1;

    /// <summary>The text of the rejection.</summary>
    [Description("the text after reject; %CHECK%, %HOSTNAME% and %INFO% (the list's text, after a comma) are replaced")]
    [Places("CHECK", "HOSTNAME", "INFO")]
    public string RejectMessage { get; set; } = "%CHECK% rejected (%HOSTNAME%%INFO%)";

    /// <summary>What counts as a listing.</summary>
    [Description(
        "the answers that count as a listing, in Postfix syntax: 127.0.1.[2..99]; default: all except the answers "
            + "by which lists refuse a query")]
    public IReadOnlyList<AnswerPattern> Answers { get; set; } = [];

    /// <summary>Which score.</summary>
    [Description("the session key of the score")]
    public string ScoreField { get; set; } = "score";

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup)
    {
        _reject = MessageText.ActionOf(setup, "reject_message", "reject", RejectMessage);
        _list = Blocklist.Create(setup, Domain, Key, Answers)!;
    }

    /// <inheritdoc/>
    public void StartLookups(PluginContext context)
    {
        if (Enabled.For(context))
        {
            Start(context, DomainText.DomainOf(context.Request.Sender), SenderMode);
            Start(context, context.Request.ReverseClientName, ReverseClientNameMode);
            Start(context, context.Request.HeloName, HeloNameMode);
        }
    }

    /// <inheritdoc/>
    public override async ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        if (!Enabled.For(context))
        {
            return PluginResult.Continue;
        }

        return await CheckAsync(context, "sender", DomainText.DomainOf(context.Request.Sender), SenderMode, SenderScore).ConfigureAwait(
            false)
            ?? await CheckAsync(
                context,
                "reverse_client_name",
                context.Request["reverse_client_name"],
                ReverseClientNameMode,
                ReverseClientNameScore).ConfigureAwait(false)
            ?? await CheckAsync(context, "helo_name", context.Request["helo_name"], HeloNameMode, HeloNameScore).ConfigureAwait(false)
            ?? PluginResult.Continue;
    }

    private async ValueTask<PluginResult?> CheckAsync(
        PluginContext context, string check, string? host, UserOption<NameListMode> mode, double score)
    {
        if (NameOf(host) is not { } name)
        {
            return null;
        }

        var key = ResultKey(name);
        if (!context.Session.TryGet<ListResult>(key, out var result) || result is null)
        {
            result = await _list.LookUpAsync(name, AsksText(context, name, mode), context, this).ConfigureAwait(false);
            if (result is null)
            {
                return null;
            }

            context.Session.Set(key, result);
        }

        _list.Note(context, name, result);
        if (result.Addresses.Length == 0)
        {
            return null;
        }

        var who = $"{Name}-{check}";
        context.AddScoreOnce(who, score != 0 ? score : null, ScoreField);

        return mode.For(context) == NameListMode.Reject
            ? PluginResult.Answer(_reject.Fill(Place, (check, Ascii.IsValid(host) ? host! : name, result.Info)))
            : null;
    }

    private void Start(PluginContext context, string? host, UserOption<NameListMode> mode)
    {
        if (NameOf(host) is { } name && !context.Session.Has(ResultKey(name)))
        {
            _list.Start(name, AsksText(context, name, mode));
        }
    }

    // A name is asked once, however many checks it is in: a message of any of them may show the text.
    private bool AsksText(PluginContext context, string name, UserOption<NameListMode> mode)
    {
        var request = context.Request;
        return _reject.Shows(TextPlace)
            && (mode.MayBe(NameListMode.Reject)
                || Shows(SenderMode, DomainText.DomainOf(request.Sender))
                || Shows(ReverseClientNameMode, request.ReverseClientName)
                || Shows(HeloNameMode, request.HeloName));

        bool Shows(UserOption<NameListMode> other, string? host) => other.MayBe(NameListMode.Reject) && NameOf(host) == name;
    }

    private string ResultKey(string name) => $"dbl-{Name}-{name}-result";

    // Lists of domains do not know addresses; Spamhaus even answers each with a listing, as a warning to whoever asks for them.
    private static string? NameOf(string? host) =>
        host is { Length: > 0 } && host != "unknown" && DomainText.ToAscii(host)?.TrimEnd('.') is { } name
        && name.Contains('.', StringComparison.Ordinal) && !name.StartsWith('[') && !IPAddress.TryParse(name, out _) ? name : null;

    private static string? Place(string name, (string Check, string Host, string Info) of) => name switch
    {
        "CHECK" => of.Check,
        "HOSTNAME" => of.Host,
        TextPlace => of.Info.Length > 0 ? ", " + of.Info : "",
        _ => null,
    };
}
