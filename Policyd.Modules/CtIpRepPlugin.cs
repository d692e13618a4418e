using System.ComponentModel;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Policyd.Configuration.Options;
using Policyd.Plugins.Addresses;
using Policyd.Plugins.Api;
using Policyd.Plugins.Sources;

namespace Policyd.Modules;

/// <summary>What becomes of a client that the reputation service does not like.</summary>
public enum ReputationMode
{
    /// <summary>The mail goes on; only the score counts.</summary>
    Passive,

    /// <summary>The reject message is answered.</summary>
    Reject,

    /// <summary>The defer message is answered.</summary>
    Defer,
}

/// <summary>Asks Commtouch's IP reputation daemon (ctipd), over HTTP, about the client.</summary>
[Module("CtIpRep")]
[SideEffects]
[AsksByItself]
public sealed class CtIpRepPlugin : Plugin
{
    private const int MaxReplyBytes = 64 * 1024;
    private static readonly TimeSpan s_mostTime = TimeSpan.FromSeconds(5);

    // No proxy of the environment, no redirect: only the server that the operator named is asked.
    private static readonly HttpClient s_http = new(new SocketsHttpHandler
    {
        UseProxy = false,
        AllowAutoRedirect = false,
        UseCookies = false,
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
    })
    {
        MaxResponseContentBufferSize = MaxReplyBytes,
        Timeout = System.Threading.Timeout.InfiniteTimeSpan,
    };

    private BackOff _backOff = null!;
    private SourceLog _log = null!;
    private Uri _address = null!;
    private AuthenticationHeaderValue? _authorization;
    private ActionTemplate _reject = "";
    private ActionTemplate _defer = "";

    /// <summary>Whether it asks.</summary>
    [Description("off: do nothing")]
    public UserOption<bool> Enabled { get; set; } = new(true);

    /// <summary>Where the daemon is.</summary>
    [Description("the daemon's URL, http or https"), SecretInUrl]
    public string Url { get; set; } = "http://localhost:8080/ctipd/iprep";

    /// <summary>The key.</summary>
    [Description("the authentication key, if the daemon needs one"), SecretOption]
    public string? Key { get; set; }

    /// <summary>The text of a reject.</summary>
    [Description("the text after reject; %IP% and %REFID% are replaced"), Places("IP", "REFID")]
    public string RejectMessage { get; set; } =
        "550 delivery from %IP% is rejected. Check at "
            + "http://www.commtouch.com/Site/Resources/Check_IP_Reputation.asp. Reference code: %REFID%";

    /// <summary>The text of a defer.</summary>
    [Description("the text after defer; %IP% and %REFID% are replaced"), Places("IP", "REFID")]
    public string DeferMessage { get; set; } =
        "450 delivery from %IP% is deferred,repeatedly. Send again or check at "
            + "http://www.commtouch.com/Site/Resources/Check_IP_Reputation.asp. Reference code: %REFID%";

    /// <summary>What permfail does.</summary>
    [Description("what to do on the result permfail: reject, defer or passive")]
    public UserOption<ReputationMode> PermfailMode { get; set; } = new(ReputationMode.Reject);

    /// <summary>The score of permfail.</summary>
    [Description("the score to add on permfail, once per mail")]
    public double? PermfailScore { get; set; }

    /// <summary>What tempfail does.</summary>
    [Description("what to do on the result tempfail: reject, defer or passive")]
    public UserOption<ReputationMode> TempfailMode { get; set; } = new(ReputationMode.Defer);

    /// <summary>The score of tempfail.</summary>
    [Description("the score to add on tempfail, once per mail")]
    public double? TempfailScore { get; set; }

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup)
    {
        _backOff = new BackOff(setup.Clock);
        _log = new SourceLog("ctipd", setup.Clock, "ctipd");
        _reject = MessageText.ActionOf(setup, "reject_message", "reject", RejectMessage);
        _defer = MessageText.ActionOf(setup, "defer_message", "defer", DeferMessage);
        if (!Uri.TryCreate(Url, UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https"))
        {
            setup.Error("url", "this is not an http or https URL");
        }
        else
        {
            _address = address;
            _authorization = AuthorizationOf(address);
        }

        if (Key is not null && Key.Any(char.IsControl))
        {
            setup.Error("key", "the key contains a control character");
        }
    }

    /// <inheritdoc/>
    public override ValueTask<PluginResult> RunAsync(PluginContext context) =>
        Enabled.For(context) && ClientAddress.Parse(context.Request.ClientAddress) is { } address ? AskAsync(context, address) : default;

    // A user and password in the URL are sent, as mtpolicyd does: HttpClient passes over them.
    private static AuthenticationHeaderValue? AuthorizationOf(Uri address)
    {
        var userAndPassword = string.Join(':', address.UserInfo.Split(':', 2).Select(Uri.UnescapeDataString));
        return userAndPassword.Length == 0 ? null : new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(userAndPassword)));
    }

    private static string? Place(string name, (IPAddress Address, string Reference) of) => name switch
    {
        "IP" => of.Address.ToString(),
        "REFID" => of.Reference,
        _ => null,
    };

    // Lines "name:value"; empty ones between them mean nothing.
    private static string? ValueOf(string reply, string name)
    {
        foreach (var line in reply.AsSpan().EnumerateLines())
        {
            var colon = line.IndexOf(':');
            if (colon > 0 && line[..colon].Trim().Equals(name, StringComparison.OrdinalIgnoreCase))
            {
                return line[(colon + 1)..].Trim().ToString();
            }
        }

        return null;
    }

    private async ValueTask<PluginResult> AskAsync(PluginContext context, IPAddress address)
    {
        var result = Name + "-result";
        var reply = await context.CachedAsync(
            result,
            static of => of.Plugin.FetchAsync(of.Context, of.Address),
            (Plugin: this, Context: context, Address: address)).ConfigureAwait(false);
        if (reply.Action.Length == 0)
        {
            // It says nothing of the address: the mail's next request asks again.
            context.Session.Remove(result);
            return PluginResult.Continue;
        }

        var reference = reply.Reference;
        context.Note("client_address", address, reply.Action);
        switch (reply.Action)
        {
            case "permfail":
                return Act(context, (address, reference), PermfailMode.For(context), PermfailScore);
            case "tempfail":
                return Act(context, (address, reference), TempfailMode.For(context), TempfailScore);
            default:
                return PluginResult.Continue;
        }
    }

    private PluginResult Act(PluginContext context, (IPAddress Address, string Reference) of, ReputationMode mode, double? score)
    {
        context.AddScoreOnce(Name, score);

        return mode switch
        {
            ReputationMode.Reject => PluginResult.Answer(_reject.Fill(Place, of)),
            ReputationMode.Defer => PluginResult.Answer(_defer.Fill(Place, of)),
            _ => PluginResult.Continue,
        };
    }

    // What the service says of the address; an empty action when it says nothing that can be understood.
    private async ValueTask<Reputation> FetchAsync(PluginContext context, IPAddress address)
    {
        using var attempt = _backOff.Enter();
        if (attempt.IsRefused)
        {
            _log.Away(context, this, null);
            return new Reputation("", "");
        }

        var (since, asked) = (context.Clock.GetTimestamp(), Stopwatch.GetTimestamp());
        using var timeout = SourceTime.For(context, s_mostTime);
        try
        {
            var key = Key is { Length: > 0 } ? $"x-ctch-key: {Key}\r\n" : "";
            using var body = new StringContent(
                $"x-ctch-request-type: classifyip\r\nx-ctch-pver: 1.0\r\n{key}\r\nx-ctch-ip: {address}\r\n",
                Encoding.ASCII,
                "application/x-www-form-urlencoded");
            using var request = new HttpRequestMessage(HttpMethod.Post, _address) { Content = body };
            request.Headers.Authorization = _authorization;

            // The whole reply within the deadline and the bound: a daemon that drips bytes holds nobody.
            using var response = await s_http.SendAsync(request, HttpCompletionOption.ResponseContentRead, timeout.Token)
                .ConfigureAwait(false);
            if (response.StatusCode != HttpStatusCode.OK)
            {
                throw new InvalidDataException($"it answered with HTTP status {(int)response.StatusCode}");
            }

            var text = await response.Content.ReadAsStringAsync(timeout.Token).ConfigureAwait(false);
            var action = ValueOf(text, "x-ctch-dm-action");
            if (action is not ("accept" or "permfail" or "tempfail"))
            {
                throw new InvalidDataException("its reply has no x-ctch-dm-action with the value accept, permfail or tempfail");
            }

            attempt.Succeeded();
            _log.Back(context, this, asked);
            return new Reputation(action, ValueOf(text, "x-ctch-refid") ?? "");
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or InvalidDataException
            or InvalidOperationException or OperationCanceledException)
        {
            attempt.Failed();
            _log.Away(
                context,
                this,
                $"{(exception is OperationCanceledException ? Waited.TimedOut(context.Clock, since) : Cause(exception))}; the "
                    + $"mail goes on without a result");
            return new Reputation("", "");
        }
    }

    // "An error occurred while sending the request" has what happened inside it.
    private static string Cause(Exception exception) =>
        exception is HttpRequestException { HttpRequestError: not HttpRequestError.NameResolutionError, InnerException: { } inner }
            ? Cause(inner)
            : exception.Message;

    private sealed record Reputation(string Action, string Reference);
}
