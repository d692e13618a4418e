using Akka.Actor;
using Policyd.Counting.Ledger;
using Policyd.Plugins.Counters;
using static Policyd.Actors.Counters.CounterProtocol;
using static Policyd.Actors.Counters.CounterWriterProtocol;

namespace Policyd.Actors.Counters;

/// <summary>
/// The one owner of one key, on this server or in the whole cluster, around a <see cref="CounterLedger"/>. An add needs no load,
/// since its commit brings the total; a check does, once a window. A load and an add of the same window are never
/// under way together, or their two totals could not be told apart: what comes second is held until the first is done.
/// </summary>
internal sealed class CounterActor : UntypedActor
{
    private readonly CounterNode _node;
    private readonly CounterLedger _ledger;
    private PendingLoad? _loads;
    private List<PendingSet>? _sets;
    private MailboxGate? _gate;
    private bool _storeAway;
    private bool _hasWritten;
    private bool _hasAsked;
    private bool _touched;
    private bool _passivating;
    private bool _draining;
    private bool _drained;
    private bool _leavesDeferred;

    public CounterActor(CounterNode node)
    {
        _node = node;
        _ledger = new CounterLedger(node.Settings.ReservationTimeout);
    }

    public static Props Props(CounterNode node) =>
        Akka.Actor.Props.CreateBy(new Producer<CounterActor>(() => new CounterActor(node))).WithMailbox(CounterMailbox.Id);

    /// <summary>Who waits behind a load is not left waiting: nothing of it has been handed to the writer.</summary>
    protected override void PostStop()
    {
        CloseGate();
        for (var load = _loads; load is not null; load = load.Next)
        {
            load.Held.ForEach(static held => AnswerUnavailable(held.Message, held.Asker));
        }
    }

    /// <summary>
    /// An owner that failed ends. What its adds have in flight would report to the same address, and a ledger that knows nothing of them
    /// would take it off its sums.
    /// </summary>
    protected override void PostRestart(Exception reason) => Context.Stop(Self);

    // A switch and no table of handlers: the table would be made anew for each key, and cost more than the rest of its owner.
    protected override void OnReceive(object message)
    {
        if (message is IForCounter { Key: var key })
        {
            Touch(key);
        }

        switch (message)
        {
            case IForWindow asked:
                Handle(asked, Sender);
                break;
            case FindCounted find:
                Handle(find, Sender);
                break;
            case Release release:
                _ledger.Release(release.Instance);
                break;
            case RowCommitted committed:
                OnCommitted(committed);
                break;
            case RowDeferred deferred:
                OnDeferred(deferred);
                break;
            case Loaded loaded:
                OnLoaded(loaded);
                break;
            case LoadFailed failed:
                OnLoadFailed(failed);
                break;
            case LookWhetherIdle:
                OnIdle();
                break;
            case Drain drain:
                OnDrain(drain);
                break;
            case Drained:
                OnDrained();
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    /// <summary>Any message keeps the entity alive. It is registered here so that the passivation sweep can find it.</summary>
    private void Touch(CounterKey key)
    {
        _touched = true;
        if (_gate is null && !_draining)
        {
            _gate = _node.Owners.Enter(key, Self);
        }
    }

    private void Handle(IForWindow message, IActorRef asker)
    {
        if (_passivating && message is Reserve)
        {
            // This life is about to end, and a reservation would end with it: the parent keeps the message for the next.
            Context.Parent.Tell(message, asker);
            return;
        }

        if (LoadOf(message.Window) is { } load)
        {
            load.Held.Add((message, asker));
        }
        else if (message is SetSums || (message.NeedsTotal && !_ledger.IsLoaded(message.Window)))
        {
            BeginLoad(message, asker);
        }
        else
        {
            Do(message, asker);
        }
    }

    private void Do(IForWindow message, IActorRef asker)
    {
        switch (message)
        {
            case Reserve reserve:
                asker.Tell(new Admitted(_ledger.Reserve(
                    reserve.Window,
                    reserve.Metric,
                    reserve.Threshold,
                    reserve.Amounts,
                    reserve.Instance,
                    _node.Steady.Now,
                    _node.CountsUntil)));
                break;
            case Read read:
                asker.Tell(new Reading(new CounterReading(CounterState.Known, _ledger.Read(read.Window, _node.CountsUntil))));
                break;
            case Add add:
                _ledger.BeginAdd(add.Window, add.Amounts, add.Instance);
                Write(new Append(add.Key, add.Window, add.Amounts, Absolute: false, add.RequestId, asker, !_hasWritten));
                break;
            case Inspect inspect:
                var total = _ledger.Read(inspect.Window, _node.CountsUntil);
                var (reserved, mails) = _ledger.Reserved(inspect.Window, _node.Steady.Now);
                asker.Tell(new Inspected(new CounterReading(CounterState.Known, total), reserved, mails));
                break;
            case SetSums set:
                Set(set, asker);
                break;
        }
    }

    /// <summary>A question to the writer, whose memory it is: what one owner of this key has counted, the next one must find.</summary>
    private void Handle(FindCounted find, IActorRef asker)
    {
        _node.Writer(find.Key.Connection).Tell(new FindRequests(find.RequestIds, !_hasWritten && !_hasAsked), asker);
        _hasAsked = true;
    }

    /// <summary>The rows of the window have just been read, and no add is in flight: they can be told what to be, row by row.</summary>
    private void Set(SetSums set, IActorRef asker)
    {
        var before = _ledger.Read(set.Window, _node.CountsUntil);
        var rows = _ledger.RowsFor(set.Window, set.Amounts, set.Which);
        (_sets ??= []).Add(new PendingSet(set.Window.Name, asker, before, [.. rows.Select(row => row.Time)]));
        foreach (var (time, amounts) in rows)
        {
            _ledger.BeginAdd(set.Window, default, instance: string.Empty);
            Write(new Append(
                set.Key, set.Window with { Time = time }, amounts, Absolute: true, RequestId: null, ActorRefs.Nobody, !_hasWritten));
        }
    }

    private void Write(Append append)
    {
        _hasWritten = true;
        _node.Writer(append.Key.Connection).Tell(append, Self);
    }

    private void BeginLoad(IForWindow message, IActorRef asker)
    {
        var addsInFlight = _ledger.AddsInFlight(message.Window);
        if (addsInFlight > 0 && _storeAway)
        {
            AnswerUnavailable(message, asker);
            return;
        }

        var load = new PendingLoad(new Load(message.Key, message.Window), anew: message is SetSums, _loads);
        load.Held.Add((message, asker));
        _loads = load;
        if (addsInFlight == 0)
        {
            _node.Loader(message.Key.Connection).Tell(load.Message, Self);
        }
    }

    private void OnLoaded(Loaded loaded)
    {
        _storeAway = false;
        _ledger.Load(loaded.Window, loaded.Rows);
        DoHeld(loaded.Window);
        StopWhenDrained();
    }

    private void OnLoadFailed(LoadFailed failed)
    {
        _storeAway = true;
        RefuseHeld(failed.Window);
        StopWhenDrained();
    }

    private void OnCommitted(RowCommitted committed)
    {
        _storeAway = false;
        _ledger.Committed(committed.Window, committed.Asked, committed.Adds, committed.Row);
        var reading = new Reading(new CounterReading(CounterState.Known, _ledger.Read(committed.Window, _node.CountsUntil)));
        foreach (var asker in committed.Askers)
        {
            asker.Tell(reading);
        }

        if (_sets is not null)
        {
            RowOfSetEnded(_sets, committed.Window, committed.Row.Time, reading.Value.Total);
        }

        AddsEnded(committed.Window);
    }

    private static void RowOfSetEnded(List<PendingSet> sets, CounterWindow window, string time, CounterAmounts total)
    {
        if (sets.Find(set => set.Window == window.Name && set.Rows.Remove(time)) is { Rows.Count: 0 } done)
        {
            sets.Remove(done);
            done.Asker.Tell(new Changed(CounterState.Known, done.Before, total));
        }
    }

    private void OnDeferred(RowDeferred deferred)
    {
        _storeAway = true;
        _ledger.TakeBack(deferred.Window, deferred.Resent);
        foreach (var asker in deferred.Askers)
        {
            asker.Tell(new Reading(new CounterReading(CounterState.Deferred, default)));
        }

        foreach (var set in _sets?.FindAll(set => set.Window == deferred.Window.Name) ?? [])
        {
            _sets!.Remove(set);
            set.Asker.Tell(new Changed(CounterState.Deferred, set.Before, default));
        }

        RefuseHeld(deferred.Window);
        StopWhenDrained();
    }

    /// <summary>The adds that a load waited for may be over: their commit has brought the total, or the load can begin.</summary>
    private void AddsEnded(CounterWindow window)
    {
        if (LoadOf(window) is { } load)
        {
            if (_ledger.IsLoaded(window) && !load.Anew)
            {
                DoHeld(window);
            }
            else if (_ledger.AddsInFlight(window) == 0)
            {
                _node.Loader(load.Message.Key.Connection).Tell(load.Message, Self);
            }
        }

        StopWhenDrained();
    }

    private void DoHeld(CounterWindow window)
    {
        // Only the first has what it waited for: behind it may stand a set, which needs a load of its own.
        var held = TakeHeld(window);
        for (var index = 0; index < held.Count; index++)
        {
            if (index == 0)
            {
                Do(held[index].Message, held[index].Asker);
            }
            else
            {
                Handle(held[index].Message, held[index].Asker);
            }
        }
    }

    private void RefuseHeld(CounterWindow window)
    {
        foreach (var (message, asker) in TakeHeld(window))
        {
            if (message is SetSums || (message.NeedsTotal && !_ledger.IsLoaded(window)))
            {
                AnswerUnavailable(message, asker);
            }
            else
            {
                Do(message, asker);
            }
        }
    }

    private PendingLoad? LoadOf(CounterWindow window)
    {
        var load = _loads;
        while (load is not null && load.Message.Window.Name != window.Name)
        {
            load = load.Next;
        }

        return load;
    }

    private List<(IForWindow Message, IActorRef Asker)> TakeHeld(CounterWindow window)
    {
        if (LoadOf(window) is not { } load)
        {
            return [];
        }

        if (load == _loads)
        {
            _loads = load.Next;
        }
        else
        {
            var before = _loads!;
            while (before.Next != load)
            {
                before = before.Next!;
            }

            before.Next = load.Next;
        }

        return load.Held;
    }

    private static void AnswerUnavailable(IForWindow message, IActorRef asker) =>
        asker.Tell(message switch
        {
            Reserve => new Admitted(new Admission(CounterState.Unavailable, Admitted: true, default)),
            Inspect => new Inspected(new CounterReading(CounterState.Unavailable, default), default, 0),
            SetSums => new Changed(CounterState.Unavailable, default, default),
            _ => (object)new Reading(new CounterReading(CounterState.Unavailable, default)),
        });

    private void OnIdle()
    {
        var now = _node.Steady.Now;
        if (!_touched && _loads is null && _ledger.IsQuiet(now))
        {
            if (!_passivating && !_draining && _gate is { } gate)
            {
                _passivating = true;
                Context.Parent.Tell(_node.Passivation(gate.Key));
            }

            return;
        }

        _touched = false;
        _ledger.ForgetUntouched(now);
    }

    /// <summary>
    /// What was sent directly before the gate closed stands between this and <see cref="Drained"/>: it is done before the end.
    /// </summary>
    private void OnDrain(Drain drain)
    {
        _leavesDeferred |= drain.IsForGood;
        if (_draining)
        {
            StopWhenDrained();
            return;
        }

        _draining = true;
        CloseGate();
        Self.Tell(Drained.Instance);
    }

    private void OnDrained()
    {
        _drained = true;
        StopWhenDrained();
    }

    private void CloseGate()
    {
        if (_gate is not null)
        {
            _node.Owners.Leave(_gate);
            _gate = null;
        }
    }

    private void StopWhenDrained()
    {
        // What a load holds back may be an add: to stop before it is handed on would lose it.
        if (_drained && _loads is null && (!_ledger.HasAddsInFlight || (_leavesDeferred && _storeAway)))
        {
            Context.Stop(Self);
        }
    }

    /// <summary>A load under way; hardly ever more than one, so that those of a key are a chain and no table.</summary>
    private sealed class PendingLoad(Load message, bool anew, PendingLoad? next)
    {
        public PendingLoad? Next { get; set; } = next;

        public Load Message { get; } = message;

        /// <summary>What is known is not enough: the rows are to be read once no add is in flight.</summary>
        public bool Anew { get; } = anew;

        public List<(IForWindow Message, IActorRef Asker)> Held { get; } = [];
    }

    /// <summary>A set of which <paramref name="Rows"/> are not committed yet.</summary>
    private sealed record PendingSet(string Window, IActorRef Asker, CounterAmounts Before, HashSet<string> Rows);

    private sealed class Drained : INoSerializationVerificationNeeded
    {
        public static readonly Drained Instance = new();
    }
}
