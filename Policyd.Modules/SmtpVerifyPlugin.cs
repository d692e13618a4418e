using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Diagnostics;
using System.Globalization;
using Policyd.Plugins.Api;
using Policyd.Plugins.Dns;
using Policyd.Plugins.Idna;
using Policyd.Plugins.Services;
using Policyd.Plugins.Smtp;
using Policyd.Plugins.Sources;

namespace Policyd.Modules;

/// <summary>Asks the mail server of an address whether it takes mail for it, up to RCPT TO, and acts or scores by the answer.</summary>
[Module("SMTPVerify")]
[SideEffects("dials the mail server of the address")]
[ActsThroughServer]
public sealed class SmtpVerifyPlugin : Plugin, IStartsLookups
{
    private const string NoSender = "<>";

    // Calls that wait for strangers must not use up the descriptors of the server. Two servers that verify each other's senders call
    // without end, too.
    private const int MostCalls = 200;
    private static readonly TimeSpan s_mostTime = TimeSpan.FromSeconds(30);

    private BackOff _backOff = null!;
    private SourceLog _log = null!;
    private SourceLog _full = null!;
    private IMailVerifier _verifier = null!;
    private IDnsResolver _dns = null!;
    private SmtpAddress? _fixedSender;
    private string _helo = "";
    private int _calls;

    /// <summary>Whether it asks.</summary>
    [Description("off: do nothing")]
    public UserOption<bool> Enabled { get; set; } = new(true);

    /// <summary>The one server to ask.</summary>
    [Description("the name or address of the server to ask; default: the mail servers of the address's domain")]
    public string? Host { get; set; }

    /// <summary>The servers' port.</summary>
    [Description("the port to connect to"), Range(1, 65535)]
    public int Port { get; set; } = 25;

    /// <summary>The name of this host.</summary>
    [Description("the name to send in EHLO; empty: the system's name")]
    public string HeloName { get; set; } = "";

    /// <summary>Where a domain may lead.</summary>
    [Description("on: connect also to loopback, private and other addresses that are not public")]
    public bool AllowPrivate { get; set; }

    /// <summary>A fixed sender.</summary>
    [Description("the address in MAIL FROM; <>: the empty sender; default: the address in sender_field")]
    public string? Sender { get; set; }

    /// <summary>Where the sender is.</summary>
    [Description("the attribute whose address is sent in MAIL FROM"), AttributeName]
    public string SenderField { get; set; } = "recipient";

    /// <summary>Where the address is.</summary>
    [Description("the attribute whose address is verified"), AttributeName]
    public string RecipientField { get; set; } = "sender";

    /// <summary>Where the size is.</summary>
    [Description("the attribute with the size of the mail, which is sent to a server that offers SIZE"), AttributeName]
    public string SizeField { get; set; } = "size";

    /// <summary>The answer to a temporary failure.</summary>
    [Description("the action to return on a temporary failure; %MSG% is the server's answer"), Places("MSG")]
    public ActionTemplate? TempFailAction { get; set; }

    /// <summary>The score of a temporary failure.</summary>
    [Description("the score to add on a temporary failure, once per mail and address")]
    public double? TempFailScore { get; set; }

    /// <summary>The answer to a permanent failure.</summary>
    [Description("the action to return on a permanent failure; %MSG% is the server's answer"), Places("MSG")]
    public ActionTemplate? PermFailAction { get; set; }

    /// <summary>The score of a permanent failure.</summary>
    [Description("the score to add on a permanent failure, once per mail and address")]
    public double? PermFailScore { get; set; }

    /// <summary>The answer to a server without STARTTLS.</summary>
    [Description("the action to return when the server accepts the address but offers no STARTTLS"), Places("MSG")]
    public ActionTemplate? NoStarttlsAction { get; set; }

    /// <summary>The score of STARTTLS.</summary>
    [Description("the score to add when the server offers STARTTLS")]
    public double? HasStarttlsScore { get; set; }

    /// <summary>The score of no STARTTLS.</summary>
    [Description("the score to add when the server offers no STARTTLS")]
    public double? NoStarttlsScore { get; set; }

    /// <summary>Whether to look for TLSA records.</summary>
    [Description("on: look up a TLSA record of the server")]
    public bool CheckTlsa { get; set; }

    /// <summary>The score of a TLSA record.</summary>
    [Description("the score to add when there is a TLSA record that DNSSEC secures (AD bit)")]
    public double? HasTlsaScore { get; set; }

    /// <summary>The score of no TLSA record.</summary>
    [Description("the score to add when there is none")]
    public double? NoTlsaScore { get; set; }

    /// <summary>Whether to look for OPENPGPKEY records.</summary>
    [Description("on: look up an OPENPGPKEY record of the address")]
    public bool CheckOpenpgp { get; set; }

    /// <summary>The score of an OPENPGPKEY record.</summary>
    [Description("the score to add when there is an OPENPGPKEY record")]
    public double? HasOpenpgpScore { get; set; }

    /// <summary>The score of no OPENPGPKEY record.</summary>
    [Description("the score to add when there is none")]
    public double? NoOpenpgpScore { get; set; }

    /// <summary>Which score.</summary>
    [Description("the session key of the score")]
    public string ScoreField { get; set; } = "score";

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup)
    {
        _backOff = new BackOff(setup.Clock);
        _log = new SourceLog(string.Create(CultureInfo.InvariantCulture, $"the mail server {Host}, port {Port}"), setup.Clock, "smtp");
        _full = new SourceLog("verification", setup.Clock);
        _dns = setup.Dns;
        Host = Host is { Length: > 0 } ? DomainText.ToAscii(Host) ?? Host : null;
        Sender = Sender is { Length: > 0 } ? Sender : null;
        _verifier = setup.MailVerifier(new SmtpVerifierOptions(Host, Port, AllowPrivate, CheckTlsa, CheckOpenpgp))!;
        _helo = HeloName.Length > 0 ? HeloName : System.Net.Dns.GetHostName();
        if (_helo.Any(static c => c is <= ' ' or >= '\x7f'))
        {
            setup.Error("helo_name", $"\"{_helo}\" is not a valid host name");
        }

        _fixedSender = Sender is null or NoSender ? null : SmtpAddress.Parse(Sender);
        if (_fixedSender is null && Sender is not (null or NoSender))
        {
            setup.Error("sender", $"\"{Sender}\" is neither an address (user@domain) nor <>");
        }
    }

    /// <inheritdoc/>
    public void StartLookups(PluginContext context)
    {
        if (Host is null
            && Enabled.For(context)
            && context.Request[RecipientField] is { Length: > 0 } text
            && !context.Session.Has(ResultKey(text))
                && SmtpAddress.Parse(text) is { Literal: null } address)
        {
            _ = _dns.ResolveAsync(address.Domain, DnsRecordType.Mx, context.Lookups, CancellationToken.None).AsTask();
        }
    }

    /// <inheritdoc/>
    public override async ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        if (!Enabled.For(context))
        {
            return PluginResult.Continue;
        }

        // A bounce has no sender, and an address without a domain no server.
        if (context.Request[RecipientField] is not { Length: > 0 } text || !text.Contains('@', StringComparison.Ordinal))
        {
            Log(context, $"{RecipientField} contains no address with a domain; nothing to verify");
            return PluginResult.Continue;
        }

        if (SmtpAddress.Parse(text) is not { } address)
        {
            Log(context, $"{text} is not a valid address");
            return Act(context, Name, SmtpVerdict.Permanent("this is not a valid address"));
        }

        if (context.IsRehearsal && !context.Session.Has(ResultKey(text)))
        {
            context.WouldHave($"asked {Host ?? "the mail server"} about {address.Path}");
            return PluginResult.Continue;
        }

        var verdict = await context.CachedAsync(
            ResultKey(text),
            static of => of.Plugin.VerifyAsync(of.Context, of.Address),
            (Plugin: this, Context: context, Address: address)).ConfigureAwait(false);
        context.Note(RecipientField, text, verdict.Outcome.ToString());
        return Act(context, $"{Name}-{text}", verdict);
    }

    private static string? Place(string name, string message) => name == "MSG" ? message : null;

    private string ResultKey(string address) => $"{Name}-{address}-result";

    private PluginResult Act(PluginContext context, string who, SmtpVerdict verdict)
    {
        AddScore(context, who + "-starttls", verdict.HasStartTls, HasStarttlsScore, NoStarttlsScore);
        AddScore(context, who + "-tlsa", verdict.HasTlsa, HasTlsaScore, NoTlsaScore);
        AddScore(context, who + "-openpgp", verdict.HasOpenPgpKey, HasOpenpgpScore, NoOpenpgpScore);
        var (score, action) = verdict.Outcome switch
        {
            SmtpOutcome.Permanent => (PermFailScore, PermFailAction),
            SmtpOutcome.Temporary => (TempFailScore, TempFailAction),
            _ => (null, verdict.HasStartTls == false ? NoStarttlsAction : null),
        };
        context.AddScoreOnce(who, score, ScoreField);
        return action is null ? PluginResult.Continue : PluginResult.Answer(action.Fill(Place, verdict.Message));
    }

    private void AddScore(PluginContext context, string who, bool? has, double? ifSo, double? ifNot)
    {
        if (has is { } known)
        {
            context.AddScoreOnce(who, known ? ifSo : ifNot, ScoreField);
        }
    }

    private async ValueTask<SmtpVerdict> VerifyAsync(PluginContext context, SmtpAddress address)
    {
        using var attempt = Host is null ? default : _backOff.Enter();
        if (Host is not null && attempt.IsRefused)
        {
            _log.Away(context, this, null);
            return SmtpVerdict.Temporary($"the mail server of {address.Domain} cannot be reached");
        }

        try
        {
            if (Interlocked.Increment(ref _calls) > MostCalls)
            {
                _full.Away(context, this, $"{MostCalls} addresses are being verified already; {address.Path} is not verified");
                return SmtpVerdict.Temporary("too many addresses are being verified");
            }

            var size = long.TryParse(context.Request[SizeField], NumberStyles.None, CultureInfo.InvariantCulture, out var bytes)
                ? bytes
                : 0;
            var sender = Sender is not null ? _fixedSender : SmtpAddress.Parse(context.Request[SenderField] ?? "");
            var question = new SmtpQuestion(_helo, sender, address, size) { Lookups = context.Lookups };
            var (last, asked) = ("does not answer", Stopwatch.GetTimestamp());
            var verdict = await _verifier.VerifyAsync(
                question,
                line =>
                {
                    last = line;
                    Log(context, $"{address.Path}: {line}");
                },
                SourceTime.Of(context.Remaining, s_mostTime)).ConfigureAwait(false);
            _full.Back(context, this);
            Learn(context, attempt, verdict, last, asked);
            return verdict;
        }
        finally
        {
            Interlocked.Decrement(ref _calls);
        }
    }

    private void Learn(PluginContext context, BackOff.Attempt attempt, SmtpVerdict verdict, string last, long asked)
    {
        if (Host is null)
        {
            return;
        }

        if (!verdict.IsUnreachable)
        {
            attempt.Succeeded();
            _log.Back(context, this, asked);
        }
        else
        {
            attempt.Failed();
            _log.Away(context, this, $"{last}; addresses are not verified");
        }
    }
}
