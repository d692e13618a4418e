// What SpamAssassin's auto-whitelist knows of a sender and the network it writes from: looked up by one module, acted on by others.
using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Policyd.Plugins.Addresses;
using Policyd.Plugins.Api;
using Policyd.Plugins.Idna;
using Policyd.Plugins.LookupFiles;
using Policyd.Plugins.Perl;
using Policyd.Plugins.Services;

namespace Policyd.Modules;

/// <summary>Looks up how many mails SpamAssassin has seen of the sender from the client's network, and their mean score.</summary>
[Module("SaAwlLookup")]
[SideEffects]
public sealed class SaAwlLookupPlugin : Plugin
{
    private IWatchedFile<IReadOnlyDictionary<string, string>>? _file;
    private string _resultKey = "";

    /// <summary>The file.</summary>
    [Description("SpamAssassin's auto-whitelist, a Berkeley DB file")]
    public string DbFile { get; set; } = "/var/lib/amavis/.spamassassin/auto-whitelist";

    internal static string ResultKeyOf(string name) => $"{name}-result";

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup)
    {
        _resultKey = ResultKeyOf(Name);
        _file = setup.BerkeleyDb("db_file", DbFile, "Until it can be read, no reputation is known.");
    }

    /// <inheritdoc/>
    public override ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        var sender = context.Request.Sender;
        if (sender.Length == 0
            || context.Session.Has(_resultKey)
            || ClientAddress.Parse(context.Request.ClientAddress) is not { } client
            || _file?.Current is not { } entries)
        {
            return default;
        }

        // SpamAssassin's keys have a domain beyond ASCII as its mails had it: either as the sender writes it here, or as the DNS has it.
        var network = $"|ip={NetworkOf(client)}";
        var key = Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(sender.ToLowerInvariant())) + network;
        key = entries.ContainsKey(key) ? key : DomainText.AddressKey(sender) + network;
        if (entries.TryGetValue(key, out var mails)
            && long.TryParse(mails, NumberStyles.None, CultureInfo.InvariantCulture, out var count)
            && count > 0
                && entries.TryGetValue(key + "|totscore", out var total))
        {
            context.Session.Set(_resultKey, new SaAwlResult(count, PerlNumber.Parse(total) / count));
            context.Note(key, total, mails, "known");
        }
        else
        {
            context.Note<string?>(key, null, "not known");
        }

        return default;
    }

    // SpamAssassin's auto_whitelist_ipv4_mask_len (16) and auto_whitelist_ipv6_mask_len (48): the octets or groups that are left. It writes
    // those of IPv6 with all their digits, in capitals, without the zero groups at their end: 2001:0DB8:000A::, 2001:0DB8::.
    private static string NetworkOf(System.Net.IPAddress client)
    {
        if (client.AddressFamily == AddressFamily.InterNetwork)
        {
            var octets = client.GetAddressBytes();
            return string.Create(CultureInfo.InvariantCulture, $"{octets[0]}.{octets[1]}");
        }

        var bytes = client.GetAddressBytes();
        string[] groups = [.. Enumerable.Range(0, 3).Select(group => Convert.ToHexString(bytes, group * 2, 2))];
        var left = Math.Max(1, Array.FindLastIndex(groups, static group => group != "0000") + 1);
        return string.Join(':', groups[..left]) + "::";
    }
}

/// <summary>What SpamAssassin knows of a sender and a network.</summary>
/// <param name="Count">How many mails it has seen.</param>
/// <param name="Score">Their mean score.</param>
internal sealed record SaAwlResult(long Count, double Score);

/// <summary>On which side of the threshold a reputation matches.</summary>
public enum SaAwlMatch
{
    /// <summary>On it or above.</summary>
    Gt,

    /// <summary>On it or below.</summary>
    Lt,
}

/// <summary>Acts on a reputation that a SaAwlLookup found.</summary>
[Module("SaAwlAction")]
[SideEffects]
public sealed class SaAwlActionPlugin : Plugin
{
    private string _resultKey = "";
    private ActionTemplate _reject = new("reject");

    /// <summary>Which lookup.</summary>
    [Description("the name of the SaAwlLookup plugin; it must come before this one")]
    public required string ResultFrom { get; set; }

    /// <summary>Whether it acts.</summary>
    [Description("off: do nothing")]
    public UserOption<bool> Enabled { get; set; } = new(true);

    /// <summary>What a match does.</summary>
    [Description("what to do on a match: reject, accept or dunno (end the chain, the mail goes on), or passive (only score)")]
    public UserOption<MatchMode> Mode { get; set; } = new(MatchMode.Reject);

    /// <summary>The text of a reject.</summary>
    [Description("the text after reject; %IP%, %SENDER% and %SCORE% are replaced"), Places("IP", "SENDER", "SCORE")]
    public string RejectMessage { get; set; } = "sender address/ip has bad reputation";

    /// <summary>The score of a match.</summary>
    [Description("the score to add, once per mail")]
    public double? Score { get; set; }

    /// <summary>The part of the reputation that is added.</summary>
    [Description("without score: SpamAssassin's mean score multiplied by this is added, once per mail")]
    public double? ScoreFactor { get; set; }

    /// <summary>How many mails are enough.</summary>
    [Description("how many mails SpamAssassin must have counted"), Range(1, long.MaxValue)]
    public long MinCount { get; set; } = 10;

    /// <summary>The threshold.</summary>
    [Description("the threshold for the mean score")]
    public double Threshold { get; set; } = 5;

    /// <summary>The side of the threshold.</summary>
    [Description("gt: the mean score is at or above the threshold; lt: at or below it")]
    public SaAwlMatch Match { get; set; }

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup)
    {
        _resultKey = SaAwlLookupPlugin.ResultKeyOf(ResultFrom);
        setup.UseResultOf<SaAwlLookupPlugin>("result_from", ResultFrom);
        _reject = MessageText.ActionOf(setup, "reject_message", "reject", RejectMessage);
    }

    /// <inheritdoc/>
    public override ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        if (!Enabled.For(context)
            || !context.Session.TryGet<SaAwlResult>(_resultKey, out var known)
            || known is null)
        {
            return default;
        }

        context.Note("mails", known.Count, MinCount, known.Count < MinCount ? "too few" : "enough");
        if (known.Count < MinCount)
        {
            return default;
        }

        var isBeyond = Match == SaAwlMatch.Gt ? known.Score >= Threshold : known.Score <= Threshold;
        context.Note("score", known.Score, Threshold, isBeyond ? "acts" : "does not act");
        if (!isBeyond)
        {
            return default;
        }

        context.AddScoreOnce(Name, Score ?? (ScoreFactor * known.Score));
        return new ValueTask<PluginResult>(Mode.For(context) switch
        {
            MatchMode.Reject => PluginResult.Answer(_reject.Fill(
                static (name, of) => name switch
                {
                    "IP" => of.Request.ClientAddress,
                    "SENDER" => of.Request.Sender,
                    "SCORE" => PerlNumber.Format(of.Score),
                    _ => null,
                },
                (context.Request, known.Score))),
            MatchMode.Passive => PluginResult.Continue,
            _ => PluginResult.Answer("dunno"),
        });
    }
}
