using Microsoft.Extensions.Logging;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Dns;
using Policyd.Plugins.Sessions;
using Policyd.Protocol;

namespace Policyd.Plugins.Api;

/// <summary>
/// What all plugins of one request share, those of nested chains included. The chain makes it, and each plugin sees it through its context.
/// </summary>
internal abstract class RequestRun(PolicyRequest request, Session session)
{
    private Session _session = session;
    private ReserveOperation? _reserved;
    private DateTimeOffset _time;
    private CountedRequest? _counted;

    public PolicyRequest Request { get; } = request;

    public abstract string VirtualHost { get; }

    public abstract TimeProvider Clock { get; }

    public abstract ILogger Logger { get; }

    /// <summary>What Postfix obeys, with the operator's restriction classes.</summary>
    public abstract ActionGrammar Grammar { get; }

    /// <summary>What the request may ask of the network; made when first asked for.</summary>
    public abstract DnsBudget Lookups { get; }

    /// <summary>Only <see cref="Abandon"/> replaces it.</summary>
    public Session Session => Volatile.Read(ref _session);

    /// <summary>What a plugin has asked of the counters for those behind it.</summary>
    public CounterPhase? Asked { get; set; }

    /// <summary>The last of the checks that let the mail in; each knows the one before it.</summary>
    public ReserveOperation? Admission { get; private set; }

    /// <summary>Whether somebody wants to know what plugins read and conclude.</summary>
    public bool TakesFacts { get; protected init; }

    /// <summary>Whether nothing may come of the run but its answer.</summary>
    public bool IsRehearsal { get; protected init; }

    /// <summary>Whether an operator asks what would become of a request, which no client has sent.</summary>
    public bool IsExplanation { get; protected init; }

    /// <summary>Whether what this run has made of the request is void, and the chain is to run again.</summary>
    public bool IsVoid { get; private set; }

    /// <summary>Whether it is the second run of its request: there is no third.</summary>
    public bool IsSecond { get; private set; }

    /// <summary>Whether a plugin was given up, which then runs on and may read the request at any time.</summary>
    public bool HasAbandoned { get; private set; }

    /// <summary>Local time, taken once: all plugins of a request count into the same month.</summary>
    public DateTimeOffset Time => _time == default ? _time = Clock.GetLocalNow() : _time;

    /// <summary>How counters know the request; made once, when first asked for, by whichever plugin.</summary>
    public CountedRequest Counted => _counted ??= CountedRequest.Of(Request);

    // A plugin that was given up may still write while the outcome is made: hence the lock and the copy. The lock is
    // the run itself, which no plugin can reach: most requests never need one.
    public IReadOnlyList<CounterKey>? Reserved
    {
        get
        {
            lock (this)
            {
                List<CounterKey>? keys = null;
                for (var check = _reserved; check is not null; check = check.ReservedBefore)
                {
                    if (check.IsHeld && keys?.Contains(check.Key) != true)
                    {
                        (keys ??= []).Add(check.Key);
                    }
                }

                return keys;
            }
        }
    }

    /// <summary>What a plugin has read, compared and concluded. Called only when <see cref="TakesFacts"/>.</summary>
    public abstract void AddFact(PluginContext reader, string name, string? value, string? comparedWith, string? result);

    /// <summary>A plugin is given up: what it holds of the session is emptied, and the chain goes on with a new one.</summary>
    public void Abandon()
    {
        HasAbandoned = true;
        Volatile.Write(ref _session, Session.Detach());
    }

    /// <summary>Another run of the request, within this one, has ended.</summary>
    public void Join(RequestRun inner) => HasAbandoned |= inner.HasAbandoned;

    /// <summary>A check has let the mail in.</summary>
    public void Admitted(ReserveOperation check)
    {
        lock (this)
        {
            check.AdmittedBefore = Admission;
            Admission = check;
        }
    }

    /// <summary>The chain is to run again from its start; false when it has done so before.</summary>
    public bool TryVoid() => IsVoid = !IsSecond;

    /// <summary>
    /// This is the second run of a request: it counts into the same windows, and what the first one may have reserved is given back with
    /// what this one reserves.
    /// </summary>
    protected void Follow(RequestRun first)
    {
        lock (first)
        {
            _reserved = first._reserved;
        }

        (IsSecond, HasAbandoned, _time, _counted) = (true, first.HasAbandoned, first._time, first._counted);
    }

    /// <summary>Is of the same time as another run, and counters know it as the same request.</summary>
    protected void TakeTime(RequestRun other) => (_time, _counted) = (other.Time, other.Counted);

    /// <summary>A check has reserved, or may have. Called once for each: the checks are the list, and cost no other.</summary>
    public void AddReserved(ReserveOperation check)
    {
        lock (this)
        {
            (check.ReservedBefore, check.IsHeld, _reserved) = (_reserved, true, check);
        }
    }

    /// <summary>What was reserved here is counted, or given back.</summary>
    public void RemoveReserved(CounterKey key, CounterWindow window)
    {
        lock (this)
        {
            for (var check = _reserved; check is not null; check = check.ReservedBefore)
            {
                if (check.Key == key && check.Window == window)
                {
                    check.IsHeld = false;
                }
            }
        }
    }
}
