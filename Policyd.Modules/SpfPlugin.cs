using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Net;
using System.Text;
using Policyd.Configuration.Options;
using Policyd.Modules.Spf;
using Policyd.Plugins.Addresses;
using Policyd.Plugins.Api;
using Policyd.Plugins.Dns;
using Policyd.Plugins.Sources;
using Policyd.Protocol;

namespace Policyd.Modules;

/// <summary>What a pass of SPF does.</summary>
public enum SpfPassMode
{
    /// <summary>Only the score is added.</summary>
    Passive,

    /// <summary>The chain ends, and the mail goes on.</summary>
    Accept,

    /// <summary>The chain ends, and the mail goes on.</summary>
    Dunno,
}

/// <summary>What a softfail of SPF does.</summary>
public enum SpfSoftfailMode
{
    /// <summary>Only the score is added.</summary>
    Passive,

    /// <summary>The chain ends, and the mail goes on.</summary>
    Accept,

    /// <summary>The chain ends, and the mail goes on.</summary>
    Dunno,

    /// <summary>The mail is rejected.</summary>
    Reject,
}

/// <summary>What a fail of SPF does.</summary>
public enum SpfFailMode
{
    /// <summary>The mail is rejected.</summary>
    Reject,

    /// <summary>Only the score is added.</summary>
    Passive,
}

/// <summary>What a policy does that is wrong or cannot be looked up.</summary>
public enum SpfErrorMode
{
    /// <summary>Only the score is added.</summary>
    Passive,

    /// <summary>The chain ends, and the mail goes on.</summary>
    Dunno,

    /// <summary>The mail is deferred.</summary>
    Defer,

    /// <summary>The mail is rejected.</summary>
    Reject,
}

/// <summary>
/// Checks whether the client may use its HELO name and the sender's domain, as the domains' own policies say (Sender Policy Framework,
/// RFC 7208): first HELO, whose pass never answers, then MAIL FROM.
/// </summary>
[Module("SPF")]
[SideEffects]
public sealed class SpfPlugin : Plugin, IStartsLookups
{
    // What section 4.6.4 of the RFC wants at least; the request's own deadline mostly comes sooner.
    private static readonly TimeSpan s_mostTime = TimeSpan.FromSeconds(20);

    private const string Helo = "helo";
    private const string MailFrom = "mfrom";

    private SpfEvaluator _evaluator = null!;
    private IDnsResolver _dns = null!;
    private ActionTemplate _reject = new("reject");
    private readonly List<AddressBlock> _whitelist = [];
    private bool _explains;

    /// <summary>Whether it checks.</summary>
    [Description("off: do nothing")]
    public UserOption<bool> Enabled { get; set; } = new(true);

    /// <summary>Whether HELO is checked.</summary>
    [Description("off: do not check the HELO name")]
    public bool CheckHelo { get; set; } = true;

    /// <summary>The score of a pass.</summary>
    [Description("the score to add on a pass (the client may send for the domain), once per mail")]
    public double? PassScore { get; set; }

    /// <summary>What a pass does.</summary>
    [Description("what to do on a pass: passive (only score), accept or dunno (end the chain, the mail goes on)")]
    public UserOption<SpfPassMode> PassMode { get; set; } = new(SpfPassMode.Passive);

    /// <summary>The score of a softfail.</summary>
    [Description("the score to add on a softfail, once per mail")]
    public double? SoftfailScore { get; set; }

    /// <summary>What a softfail does.</summary>
    [Description("what to do on a softfail: passive, accept, dunno or reject")]
    public UserOption<SpfSoftfailMode> SoftfailMode { get; set; } = new(SpfSoftfailMode.Passive);

    /// <summary>The score of a fail.</summary>
    [Description("the score to add on a fail, once per mail")]
    public double? FailScore { get; set; }

    /// <summary>What a fail does.</summary>
    [Description("what to do on a fail: reject or passive")]
    public UserOption<SpfFailMode> FailMode { get; set; } = new(SpfFailMode.Reject);

    /// <summary>The score of a temperror.</summary>
    [Description("the score to add when the policy cannot be looked up, once per mail")]
    public double? TemperrorScore { get; set; }

    /// <summary>What a temperror does.</summary>
    [Description("what to do when the policy cannot be looked up: defer, reject, dunno or passive")]
    public SpfErrorMode TemperrorMode { get; set; } = SpfErrorMode.Defer;

    /// <summary>The score of a permerror.</summary>
    [Description("the score to add when the policy is invalid, once per mail")]
    public double? PermerrorScore { get; set; }

    /// <summary>What a permerror does.</summary>
    [Description("what to do when the policy is invalid: reject, defer, dunno or passive")]
    public SpfErrorMode PermerrorMode { get; set; } = SpfErrorMode.Reject;

    /// <summary>The text of a reject.</summary>
    [Description("the text after reject; %LOCAL_EXPL% (the reason) and %AUTH_EXPL% (the domain's own explanation) are replaced")]
    [Places("LOCAL_EXPL", "AUTH_EXPL")]
    public string RejectMessage { get; set; } = "SPF validation failed: %LOCAL_EXPL%";

    /// <summary>The explanation of a domain that has none.</summary>
    [Description("the explanation for a domain that has none of its own; SPF macros are expanded")]
    public string DefaultAuthorityExplanation { get; set; } = "See http://www.%{d}/why/id=%{S};ip=%{I};r=%{R}";

    /// <summary>This host's name.</summary>
    [Description("the name of this host in explanations; empty: the system's name")]
    public string Hostname { get; set; } = "";

    /// <summary>Who is not checked.</summary>
    [Description("addresses and networks that are not checked, separated by commas or spaces; loopback is never checked"), OptionList("")]
    public string Whitelist { get; set; } = "";

    /// <summary>A limit of the RFC.</summary>
    [Description("how many terms of a policy may cause a lookup"), Range(1, 100)]
    public int MaxDnsInteractiveTerms { get; set; } = 10;

    /// <summary>A limit of the RFC.</summary>
    [Description("how many names of an MX or PTR answer are looked up"), Range(1, 100)]
    public int MaxNameLookupsPerTerm { get; set; } = 10;

    /// <summary>A limit of the RFC.</summary>
    [Description("how many terms of a policy may cause lookups without a result"), Range(0, 100)]
    public int MaxVoidDnsLookups { get; set; } = 2;

    /// <summary>Which score.</summary>
    [Description("the session key of the score")]
    public string ScoreField { get; set; } = "score";

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup)
    {
        _dns = setup.Dns;
        _reject = MessageText.ActionOf(setup, "reject_message", "reject", RejectMessage);
        _explains = RejectMessage.Contains("%AUTH_EXPL%", StringComparison.Ordinal);
        foreach (var text in Whitelist.Split([',', ' ', '\t', '\n'], StringSplitOptions.RemoveEmptyEntries))
        {
            if (AddressBlock.TryParse(text, out var block))
            {
                _whitelist.Add(block);
            }
            else
            {
                setup.Error("whitelist", $"\"{text}\" is neither an address nor a network");
            }
        }

        try
        {
            _evaluator = new SpfEvaluator(
                _dns,
                new SpfSettings
                {
                    MaxDnsTerms = MaxDnsInteractiveTerms,
                    MaxNamesPerTerm = MaxNameLookupsPerTerm,
                    MaxVoidLookups = MaxVoidDnsLookups,
                    DefaultExplanation = DefaultAuthorityExplanation,
                    Hostname = Hostname.Length > 0 ? Hostname : System.Net.Dns.GetHostName(),
                },
                setup.Clock);
        }
        catch (SpfSyntaxException e)
        {
            setup.Error("default_authority_explanation", e.Message);
        }
    }

    /// <inheritdoc/>
    public void StartLookups(PluginContext context)
    {
        if (!Enabled.For(context) || AddressOf(context) is null)
        {
            return;
        }

        foreach (var (scope, identity, bytes) in IdentitiesOf(context))
        {
            if (!context.Session.Has(ResultKey(scope))
                && SpfName.DomainOf(identity, bytes) is var domain
                && SpfName.IsDomain(domain)
                && DnsName.TryOfBytes(domain, out var name))
            {
                _ = _dns.ResolveAsync(name, DnsRecordType.Txt, context.Lookups, CancellationToken.None).AsTask();
            }
        }
    }

    /// <inheritdoc/>
    public override async ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        if (!Enabled.For(context) || AddressOf(context) is not { } address)
        {
            return PluginResult.Continue;
        }

        var helo = SpfText.OfBytes(context.Request.Utf8(PolicyAttribute.HeloName));
        foreach (var (scope, identity, bytes) in IdentitiesOf(context))
        {
            var request = new SpfRequest(
                address,
                SpfName.DomainOf(identity, bytes),
                bytes,
                SpfName.HostOf(context.Request.HeloName, helo),
                _explains)
            {
                Lookups = context.Lookups,
            };
            var outcome = await context.CachedAsync(
                ResultKey(scope),
                static of => of.Plugin.CheckAsync(of.Context, of.Request),
                (Plugin: this, Context: context, Request: request)).ConfigureAwait(false);
            context.Note(scope, identity, address, outcome.Verdict.ToString());
            context.Note("reason", outcome.Reason);
            if (Logs(context))
            {
                Log(context, $"{scope} {identity}: {outcome.Verdict}, {outcome.Reason}");
            }

            if (Judge(context, scope, identity, outcome) is { } result)
            {
                return result;
            }
        }

        return PluginResult.Continue;
    }

    // A part of the time stays for the answer: that DNS is slow is a temperror, not a plugin that has failed.
    private async ValueTask<SpfOutcome> CheckAsync(PluginContext context, SpfRequest request)
    {
        using var timeout = SourceTime.For(context, s_mostTime);
        return await _evaluator.CheckAsync(request, timeout.Token).ConfigureAwait(false);
    }

    private string ResultKey(string scope) => $"spf-{Name}-{scope}-result";

    /// <summary>
    /// HELO, and the sender or, for a bounce, the postmaster of HELO (RFC 7208, section 2.4): as text, and as the bytes that came.
    /// </summary>
    private IEnumerable<(string Scope, string Identity, string Bytes)> IdentitiesOf(PluginContext context)
    {
        var (helo, sender) = (context.Request.HeloName, context.Request.Sender);
        if (CheckHelo && helo.Length > 0)
        {
            yield return (Helo, helo, SpfText.OfBytes(context.Request.Utf8(PolicyAttribute.HeloName)));
        }

        if (sender.Length > 0)
        {
            yield return (MailFrom, sender, SpfText.OfBytes(context.Request.Utf8(PolicyAttribute.Sender)));
        }
        else if (helo.Length > 0)
        {
            yield return (MailFrom, "postmaster@" + helo, "postmaster@" + SpfText.OfBytes(context.Request.Utf8(PolicyAttribute.HeloName)));
        }
    }

    /// <summary>The client's address; null when it is none, or one that is not checked.</summary>
    private IPAddress? AddressOf(PluginContext context) =>
        ClientAddress.Parse(context.Request.ClientAddress) is { } address
            && !IPAddress.IsLoopback(address)
            && !_whitelist.Exists(network => network.Contains(address)) ? address : null;

    private PluginResult? Judge(PluginContext context, string scope, string identity, SpfOutcome outcome)
    {
        switch (outcome.Verdict)
        {
            // That a host may call itself so says nothing of the mail it brings.
            case SpfVerdict.Pass when scope == MailFrom:
                context.AddScoreOnce(Name, PassScore, ScoreField);
                return PassMode.For(context) == SpfPassMode.Passive ? null : PluginResult.Answer("dunno");
            case SpfVerdict.Fail:
                context.AddScoreOnce(Name, FailScore, ScoreField);
                return FailMode.For(context) == SpfFailMode.Reject ? Reject(scope, identity, outcome) : null;
            case SpfVerdict.SoftFail:
                context.AddScoreOnce(Name, SoftfailScore, ScoreField);
                return SoftfailMode.For(context) switch
                {
                    SpfSoftfailMode.Passive => null,
                    SpfSoftfailMode.Reject => Reject(scope, identity, outcome),
                    _ => PluginResult.Answer("dunno"),
                };
            case SpfVerdict.TempError:
                context.AddScoreOnce(Name, TemperrorScore, ScoreField);
                return Fail(TemperrorMode, scope, outcome);
            case SpfVerdict.PermError:
                context.AddScoreOnce(Name, PermerrorScore, ScoreField);
                return Fail(PermerrorMode, scope, outcome);
            default:
                return null;
        }
    }

    private PluginResult Reject(string scope, string identity, SpfOutcome outcome) => PluginResult.Answer(_reject.Fill(
        static (name, of) => name switch
        {
            "LOCAL_EXPL" => of.Local,
            "AUTH_EXPL" => of.Explanation,
            _ => null,
        },
        (
            Local: SpfText.Printable($"the client may not use '{identity}' ({scope}): {outcome.Reason}", Encoding.UTF8),
            outcome.Explanation)));

    private static PluginResult? Fail(SpfErrorMode mode, string scope, SpfOutcome outcome) => mode switch
    {
        SpfErrorMode.Passive => null,
        SpfErrorMode.Dunno => PluginResult.Answer("dunno"),
        _ => PluginResult.Answer($"{(mode == SpfErrorMode.Defer ? "defer" : "reject")} spf {scope} check failed: {outcome.Reason}"),
    };
}
