using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Net;
using System.Net.Sockets;
using Policyd.Configuration;
using Policyd.Plugins.Api;
using Policyd.Plugins.Dns;
using Policyd.Plugins.Spf;

namespace Policyd.Plugins.Modules;

/// <summary>What a result of SPF does.</summary>
public enum SpfMode
{
    /// <summary>Only the score is added.</summary>
    Passive,

    /// <summary>The chain ends, and the mail goes on.</summary>
    Accept,

    /// <summary>As <see cref="Accept"/>, by the name of its answer.</summary>
    Dunno,

    /// <summary>The mail is rejected.</summary>
    Reject,

    /// <summary>The mail is deferred.</summary>
    Defer,
}

/// <summary>
/// Checks whether the client may use its HELO name and the sender's domain, as the domains' own policies say (Sender Policy Framework,
/// RFC 7208): first HELO, whose pass never answers, then MAIL FROM.
/// </summary>
[Module("SPF")]
public sealed class SpfPlugin : Plugin, IStartsLookups
{
    private const string Helo = "helo";
    private const string MailFrom = "mfrom";

    private SpfEvaluator _evaluator = null!;
    private IDnsResolver _dns = null!;
    private ActionTemplate _reject = new("reject");
    private List<IPNetwork> _whitelist = [];

    /// <summary>Whether it checks.</summary>
    [Description("off: do nothing")]
    public UserOption<bool> Enabled { get; set; } = new(true);

    /// <summary>Whether HELO is checked.</summary>
    [Description("off: do not check the HELO name")]
    public bool CheckHelo { get; set; } = true;

    /// <summary>The score of a pass.</summary>
    [Description("the score to add when the client may send for the domain, once a mail")]
    public double? PassScore { get; set; }

    /// <summary>What a pass does.</summary>
    [Description("what a pass does: passive (only score), accept or dunno (end the chain, let the mail go on)")]
    public UserOption<SpfMode> PassMode { get; set; } = new(SpfMode.Passive);

    /// <summary>The score of a softfail.</summary>
    [Description("the score to add for a softfail, once a mail")]
    public double? SoftfailScore { get; set; }

    /// <summary>What a softfail does.</summary>
    [Description("what a softfail does: passive, accept, dunno or reject")]
    public UserOption<SpfMode> SoftfailMode { get; set; } = new(SpfMode.Passive);

    /// <summary>The score of a fail.</summary>
    [Description("the score to add for a fail, once a mail")]
    public double? FailScore { get; set; }

    /// <summary>What a fail does.</summary>
    [Description("what a fail does: reject or passive")]
    public UserOption<SpfMode> FailMode { get; set; } = new(SpfMode.Reject);

    /// <summary>The score of a temperror.</summary>
    [Description("the score to add when the policy cannot be looked up, once a mail")]
    public double? TemperrorScore { get; set; }

    /// <summary>What a temperror does.</summary>
    [Description("what is done when the policy cannot be looked up: defer, reject, dunno or passive")]
    public SpfMode TemperrorMode { get; set; } = SpfMode.Defer;

    /// <summary>The score of a permerror.</summary>
    [Description("the score to add when the policy is wrong, once a mail")]
    public double? PermerrorScore { get; set; }

    /// <summary>What a permerror does.</summary>
    [Description("what is done when the policy is wrong: reject, defer, dunno or passive")]
    public SpfMode PermerrorMode { get; set; } = SpfMode.Reject;

    /// <summary>The text of a reject.</summary>
    [Description("the text of the reject; %LOCAL_EXPL% (why) and %AUTH_EXPL% (the domain's own explanation) are filled in")]
    public string RejectMessage { get; set; } = "SPF validation failed: %LOCAL_EXPL%";

    /// <summary>The explanation of a domain that has none.</summary>
    [Description("the explanation where the domain has none of its own; SPF's macros are expanded")]
    public string DefaultAuthorityExplanation { get; set; } = "See http://www.%{d}/why/id=%{S};ip=%{I};r=%{R}";

    /// <summary>This host's name.</summary>
    [Description("this host's name in explanations")]
    public string Hostname { get; set; } = "";

    /// <summary>Who is not checked.</summary>
    [Description("addresses and networks that are not checked, separated by commas or spaces; loopback never is"), OptionList("")]
    public string Whitelist { get; set; } = "";

    /// <summary>A limit of the RFC.</summary>
    [Description("how many terms of a policy may cause a lookup"), Range(1, 100)]
    public int MaxDnsInteractiveTerms { get; set; } = 10;

    /// <summary>A limit of the RFC.</summary>
    [Description("how many names of an MX or PTR answer are looked up"), Range(1, 100)]
    public int MaxNameLookupsPerTerm { get; set; } = 10;

    /// <summary>A limit of the RFC.</summary>
    [Description("how many lookups of a policy may find nothing"), Range(0, 100)]
    public int MaxVoidDnsLookups { get; set; } = 2;

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup)
    {
        _dns = setup.Dns;
        _reject = new ActionTemplate("reject " + RejectMessage);
        foreach (var text in Whitelist.Split([',', ' ', '\t', '\n'], StringSplitOptions.RemoveEmptyEntries))
        {
            if (IPNetwork.TryParse(text, out var network))
            {
                _whitelist.Add(network);
            }
            else if (IPAddress.TryParse(text, out var address))
            {
                _whitelist.Add(new IPNetwork(address, address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128));
            }
            else
            {
                setup.Error("whitelist", $"\"{text}\" is no address and no network (ADDRESS/BITS, the bits behind them zero)");
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
                    Hostname = Hostname.Length > 0 ? Hostname : "unknown",
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

        foreach (var (scope, identity) in IdentitiesOf(context))
        {
            if (!context.Session.Has(ResultKey(scope)))
            {
                _ = _dns.ResolveAsync(DomainOf(identity), DnsRecordType.Txt, CancellationToken.None).AsTask();
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

        foreach (var (scope, identity) in IdentitiesOf(context))
        {
            var request = new SpfRequest(address, DomainOf(identity), identity, context.Request.HeloName);
            var outcome = await context.CachedAsync(
                ResultKey(scope), static of => of.Evaluator.CheckAsync(of.Request, of.Context.Cancellation), (Evaluator: _evaluator, Request: request, Context: context)).ConfigureAwait(false);
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

    private static string DomainOf(string identity) => identity[(identity.LastIndexOf('@') + 1)..];

    private string ResultKey(string scope) => $"spf-{Name}-{scope}-result";

    /// <summary>HELO, and the sender or, for a bounce, the postmaster of HELO (RFC 7208, section 2.4).</summary>
    private IEnumerable<(string Scope, string Identity)> IdentitiesOf(PluginContext context)
    {
        var (helo, sender) = (context.Request.HeloName, context.Request.Sender);
        if (CheckHelo && helo.Length > 0)
        {
            yield return (Helo, helo);
        }

        if (sender.Length > 0 || helo.Length > 0)
        {
            yield return (MailFrom, sender.Length > 0 ? sender : "postmaster@" + helo);
        }
    }

    /// <summary>The client's address; null when it is none, or one that is not checked.</summary>
    private IPAddress? AddressOf(PluginContext context)
    {
        if (!IPAddress.TryParse(context.Request.ClientAddress, out var address))
        {
            return null;
        }

        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        return IPAddress.IsLoopback(plain) || _whitelist.Exists(network => network.Contains(plain)) ? null : plain;
    }

    private PluginResult? Judge(PluginContext context, string scope, string identity, SpfOutcome outcome)
    {
        switch (outcome.Verdict)
        {
            case SpfVerdict.Pass:
                AddScore(context, PassScore);
                return scope == Helo ? null : Act(PassMode.For(context), scope, identity, outcome);
            case SpfVerdict.Fail:
                AddScore(context, FailScore);
                return Act(FailMode.For(context), scope, identity, outcome);
            case SpfVerdict.SoftFail:
                AddScore(context, SoftfailScore);
                return Act(SoftfailMode.For(context), scope, identity, outcome);
            case SpfVerdict.TempError:
                AddScore(context, TemperrorScore);
                return Act(TemperrorMode, scope, identity, outcome);
            case SpfVerdict.PermError:
                AddScore(context, PermerrorScore);
                return Act(PermerrorMode, scope, identity, outcome);
            default:
                return null;
        }
    }

    private void AddScore(PluginContext context, double? score)
    {
        if (score is { } value && !context.IsAlreadyDone($"spf-{Name}-score"))
        {
            context.AddScore(Name, value);
        }
    }

    private PluginResult? Act(SpfMode mode, string scope, string identity, SpfOutcome outcome) => mode switch
    {
        SpfMode.Accept or SpfMode.Dunno => PluginResult.Answer("dunno"),
        SpfMode.Reject when outcome.Verdict is SpfVerdict.Fail or SpfVerdict.SoftFail => PluginResult.Answer(_reject.Fill(
            static (name, of) => name switch
            {
                "LOCAL_EXPL" => of.Local,
                "AUTH_EXPL" => of.Explanation,
                _ => null,
            },
            (Local: $"the client may not use '{identity}' ({scope}): {outcome.Reason}", outcome.Explanation))),
        SpfMode.Reject => PluginResult.Answer($"reject spf {scope} check failed: {outcome.Reason}"),
        SpfMode.Defer => PluginResult.Answer($"defer spf {scope} check failed: {outcome.Reason}"),
        _ => null,
    };
}
