using System.ComponentModel;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Policyd.Plugins.Addresses;
using Policyd.Plugins.Api;
using Policyd.Plugins.Services;
using Policyd.Plugins.Sources;

namespace Policyd.Modules;

/// <summary>Has fail2ban ban the client. Stands in the chain of a module that found the client bad; never answers.</summary>
[Module("Fail2Ban")]
[SideEffects("bans the client")]
[ActsThroughServer]
public sealed class Fail2BanPlugin : Plugin
{
    private static readonly TimeSpan s_mostTime = TimeSpan.FromSeconds(5);

    private BackOff _backOff = null!;
    private SourceLog _log = null!;
    private SourceLog _refused = null!;
    private Fail2BanJail _jail = null!;

    /// <summary>Whether it bans.</summary>
    [Description("off: do nothing")]
    public UserOption<bool> Enabled { get; set; } = new(true);

    /// <summary>The socket's path.</summary>
    [Description("fail2ban's socket; the server needs write permission")]
    public string Socket { get; set; } = "/var/run/fail2ban/fail2ban.sock";

    /// <summary>The jail.</summary>
    [Description("the jail to ban in")]
    public string Jail { get; set; } = "postfix";

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup)
    {
        _backOff = new BackOff(setup.Clock);
        _jail = setup.Fail2Ban(Socket, Jail)!;
        _log = new SourceLog($"fail2ban at {_jail?.Socket ?? Socket}", setup.Clock, "fail2ban");
        _refused = new SourceLog($"jail {Jail}", setup.Clock, "fail2ban");
    }

    /// <inheritdoc/>
    public override ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        // Only what is an address is handed on: it ends up in a command that root runs.
        if (!Enabled.For(context)
            || ClientAddress.Parse(context.Request.ClientAddress) is not { } address
            || context.Session.Has(DoneKey(address)))
        {
            return default;
        }

        if (context.IsRehearsal)
        {
            context.WouldHave($"banned {address} in {Jail}");
            return default;
        }

        return BanAsync(context, address);
    }

    private async ValueTask<PluginResult> BanAsync(PluginContext context, IPAddress address)
    {
        using var attempt = _backOff.Enter();
        if (attempt.IsRefused)
        {
            _log.Away(context, this, null);
            return PluginResult.Continue;
        }

        var (since, asked) = (context.Clock.GetTimestamp(), Stopwatch.GetTimestamp());
        using var timeout = SourceTime.For(context, s_mostTime);
        try
        {
            var reply = await _jail.BanAsync(address, timeout.Token).ConfigureAwait(false);
            attempt.Succeeded();
            _log.Back(context, this);
            context.Session.TrySet(DoneKey(address));
            if (reply.Status == 0)
            {
                _refused.Back(context, this, asked);
                Log(context, $"banned {address} in {Jail}");
            }
            else
            {
                // A jail that is not there refuses all: not a line for each.
                _refused.Away(context, this, $"fail2ban did not ban {address} in {Jail}: {reply.Text}");
            }
        }
        catch (Exception exception) when (exception is SocketException or IOException or InvalidDataException
            or OperationCanceledException)
        {
            attempt.Failed();
            var reason = exception is OperationCanceledException ? Waited.TimedOut(context.Clock, since) : exception.Message;
            _log.Away(context, this, $"{reason}; {address} is not banned");
        }

        return PluginResult.Continue;
    }

    private string DoneKey(IPAddress address) => $"{Name}-banned-{address}";
}
