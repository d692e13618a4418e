using Policyd.Engine.Chain;
using Policyd.Plugins.Counters;
using Policyd.Protocol;

namespace Policyd.Actors.Connections;

/// <summary>
/// What the mail of a connection has reserved on counters, and when it is given back: its request is refused, the connection
/// goes on to another mail, or the client closes. One smtpd has one connection and one mail at a time, so another instance on
/// it says that the mail before has ended. A connection that we close says nothing: Postfix asks on with the same mail elsewhere.
/// Releasing what was counted meanwhile, on this connection or another, does nothing.
/// </summary>
internal sealed class MailReservations(ICounters counters)
{
    private HashSet<CounterKey>? _reserved;
    private string _instance = string.Empty;

    /// <summary>A request of this instance begins.</summary>
    public void Begin(string instance)
    {
        if (instance != _instance)
        {
            End();
            _instance = instance;
        }
    }

    /// <summary>The request is answered: refused, it gives back what it reserved itself; at the end of the mail, everything.</summary>
    public void Answered(PolicyRequest request, in ChainOutcome outcome)
    {
        if (outcome.Reserved is { } reserved)
        {
            if (!IsRefused(outcome))
            {
                (_reserved ??= []).UnionWith(reserved);
                return;
            }

            foreach (var key in reserved)
            {
                // An earlier recipient of the same mail may hold it: the owner kept one reservation for both.
                if (_reserved is null || !_reserved.Contains(key))
                {
                    counters.Release(key, MailId.Of(request.Instance));
                }
            }
        }

        if (IsRefused(outcome) && request.ProtocolState == "END-OF-MESSAGE")
        {
            End();
        }
    }

    /// <summary>The mail comes to nothing more.</summary>
    public void End()
    {
        if (_reserved is not { } reserved)
        {
            return;
        }

        _reserved = null;
        var mail = MailId.Of(_instance);
        foreach (var key in reserved)
        {
            counters.Release(key, mail);
        }
    }

    private static bool IsRefused(in ChainOutcome outcome) =>
        outcome.Action is null || ActionGrammar.KindOf(outcome.Action) is ActionKind.Reject or ActionKind.Defer or ActionKind.DeferIfPermit
            or ActionKind.ReplyCode;
}
