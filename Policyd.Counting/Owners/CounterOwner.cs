using Policyd.Counting.Store;
using Policyd.Plugins.Counters;

namespace Policyd.Counting.Owners;

/// <summary>
/// One life of the owner of one key, as states and events (docs/counters.md has the table): it decides, and has others act through
/// <see cref="IOwnerEffects"/>. An add needs no load, since its commit brings the total; a check does, once a window. A load and an add of
/// the same window are never under way together, or their two totals could not be told apart: what comes second is held until the first is
/// done.
/// </summary>
/// <param name="effects">Who acts.</param>
/// <param name="life">Tells this life from all others of the key, on whichever node: an add shows by it that its mail was checked here.
/// </param>
internal sealed class CounterOwner(IOwnerEffects effects, ulong life)
{
    // An object for it would cost each key 24 bytes.
    private CounterLedger _ledger;
    private PendingLoad? _loads;
    private List<AddOperation>? _askedFor;
    private OwnerStage _stage;
    private bool _touched;
    private bool _endsUncommitted;
    private bool _isKeptByWriter;

    // Writes are numbered: how many were handed over, and up to which of them the writer has said that they are committed.
    private uint _handedOver;
    private uint _settled;
    private uint _asked;

    /// <summary>Where in its life it is.</summary>
    public OwnerStage Stage => _stage;

    private bool IsSettled => _handedOver == _settled;

    /// <summary>An operation has come for the key.</summary>
    public void OnOperation(CounterOperation operation, OwnerTime time)
    {
        _touched = true;
        if (_stage != OwnerStage.Active && !_endsUncommitted && operation is ReserveOperation)
        {
            // This life is about to end, and a reservation would end with it: the next one takes it.
            effects.HandBack(operation);
            return;
        }

        if (operation is FindCountedOperation find)
        {
            effects.Find(find);
        }
        else
        {
            Take(operation, time);
        }
    }

    /// <summary>The mail gives back what it has reserved, in one window or in all.</summary>
    public void OnRelease(MailId mail, CounterWindow? window)
    {
        _touched = true;
        _ledger.Release(mail, window?.Name);
    }

    /// <summary>A commit has brought a total that is not the expected one.</summary>
    public void OnReport(RowReport report, OwnerTime time)
    {
        _ledger.Report(report);
        if (LoadOf(report.Window) is { IsUnderWay: false, Anew: false } load && _ledger.IsLoaded(load.Window))
        {
            DoHeld(load.Window, time);
        }

        EndIfDrained();
    }

    /// <summary>All writes up to the number are committed; or they are kept, since the database is away.</summary>
    public void OnSettled(uint number, bool isSettled, OwnerTime time)
    {
        _isKeptByWriter = !isSettled;
        if (!isSettled)
        {
            RefuseWhatWaitsForWrites(time);
            _asked = _settled;
            EndIfDrained();
            return;
        }

        // Numbers wrap around: what counts is which is ahead.
        if ((int)(number - _settled) > 0)
        {
            _settled = number;
        }

        for (var load = _loads; load is not null; load = load.Next)
        {
            if (!load.IsUnderWay && (int)(_settled - load.After) >= 0)
            {
                load.IsUnderWay = true;
                effects.Load(load.Window);
            }
        }

        if (!_touched && _stage == OwnerStage.Active)
        {
            LeaveIfIdle(time);
        }

        EndIfDrained();
    }

    /// <summary>The rows of a window have been read.</summary>
    public void OnLoaded(CounterWindow window, IReadOnlyList<CounterRow> rows, OwnerTime time)
    {
        _ledger.Load(window, rows);
        DoHeld(window, time);
        EndIfDrained();
    }

    /// <summary>They cannot be read.</summary>
    public void OnLoadFailed(CounterWindow window, OwnerTime time)
    {
        RefuseHeld(window, time);
        EndIfDrained();
    }

    /// <summary>The writer knows whether the request of an add is counted that has no room.</summary>
    public void OnCounted(FindCountedOperation find, OwnerTime time)
    {
        if (find.ForAdd is not { } add || _askedFor?.Remove(add) != true)
        {
            return;
        }

        if (find.Answer.Yes)
        {
            // Its own count has taken its place: it is a resend, which adds nothing.
            add.Admission = null;
        }

        add.WasLookedUp = true;
        Take(add, time);
        EndIfDrained();
    }

    /// <summary>
    /// Comes from time to time: an owner that nobody has asked since the time before ends, if nothing would be lost. While the database is
    /// away that includes what it knows: no later life could read it.
    /// </summary>
    public void OnLook(OwnerTime time, bool isAway)
    {
        if (isAway && _ledger.KnowsSums)
        {
            return;
        }

        if (_touched)
        {
            _touched = false;
            _ledger.ForgetUntouched(time.Steady, IsSettled);
        }
        else if (_stage == OwnerStage.Active && !LeaveIfIdle(time) && !IsSettled)
        {
            AskWhenSettled(patient: true);
        }
    }

    /// <summary>The parent agrees with the end, or the server stops, or the key moves.</summary>
    /// <param name="forGood">There is no next life: what the writer keeps while the database is away need not be waited for.</param>
    public void OnDrain(bool forGood)
    {
        _endsUncommitted |= forGood;
        if (_stage < OwnerStage.Draining)
        {
            _stage = OwnerStage.Draining;
            effects.CloseGate();
        }
        else
        {
            EndIfDrained();
        }
    }

    /// <summary>Nothing comes any more but answers.</summary>
    public void OnGateClosed()
    {
        _stage = OwnerStage.Drained;
        EndIfDrained();
    }

    /// <summary>The life ends before its time: who waits behind a load is not left waiting. Nothing of it has been handed over.</summary>
    public void OnFailure()
    {
        _stage = OwnerStage.Ended;
        for (var load = _loads; load is not null; load = load.Next)
        {
            load.Held.ForEach(static held => held.TryAnswer(CounterAnswer.Unavailable(CounterReason.Owner)));
        }

        _askedFor?.ForEach(static add => add.TryAnswer(CounterAnswer.Unavailable(CounterReason.Owner)));
        (_loads, _askedFor) = (null, null);
    }

    private void Take(CounterOperation operation, OwnerTime time)
    {
        if (LoadOf(operation.Window) is { } load)
        {
            load.Held.Add(operation);
        }
        else if (NeedsLoad(operation))
        {
            BeginLoad(operation);
        }
        else
        {
            Do(operation, time);
        }
    }

    private bool NeedsLoad(CounterOperation operation) =>
        operation is SetSumsOperation
            || (!_ledger.IsLoaded(operation.Window) && (operation is not AddOperation add || CheckElsewhere(add, null) is not null));

    private void Do(CounterOperation operation, OwnerTime time)
    {
        switch (operation)
        {
            case ReserveOperation reserve:
                reserve.Life = life;
                reserve.TryAnswer(_ledger.Reserve(
                    reserve.Window, reserve.Metric, reserve.Threshold, reserve.Amounts, reserve.Mail, time));
                break;
            case AddOperation add:
                CheckAndAdd(add, time);
                break;
            case ReadOperation read:
                read.TryAnswer(CounterAnswer.Known(_ledger.Read(read.Window, time.CountsUntil)));
                break;
            case InspectOperation inspect:
                (inspect.Reserved, inspect.Mails) = _ledger.Reserved(inspect.Window, time.Steady);
                inspect.TryAnswer(CounterAnswer.Known(_ledger.Read(inspect.Window, time.CountsUntil)));
                break;
            case SetSumsOperation set:
                Set(set, time);
                break;
        }
    }

    /// <summary>
    /// A mail that another life of the owner let in has no place here: it is checked again and counted in one turn. It is counted all the
    /// same where nothing can be known, since the database is away, and when its asker has gone on with it.
    /// </summary>
    private void CheckAndAdd(AddOperation add, OwnerTime time)
    {
        if (add.Admission is not null && !HasRoom(add, time))
        {
            if (!add.WasLookedUp && add.RequestId is { } id)
            {
                (_askedFor ??= []).Add(add);
                effects.Find(new FindCountedOperation(add.Key, add.FormerId is { } former ? [id, former] : [id]) { ForAdd = add });
                return;
            }

            if (add.TryAnswer(CounterAnswer.Stale) || add.IsOfAnotherNode)
            {
                return;   // from another node it is asked again
            }
        }

        (add.WasAdmitted, add.Admission) = (add.Admission is not null, null);
        add.Trace = _ledger.Add(add.Window, add.Amounts, add.Mail, time.CountsUntil);
        Write(add);
    }

    private bool HasRoom(AddOperation add, OwnerTime time)
    {
        for (var check = CheckElsewhere(add, null); check is not null; check = CheckElsewhere(add, check))
        {
            if (_ledger.IsLoaded(add.Window) && !_ledger.HasRoom(check, time))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The next check of the add's counter that another life has made.</summary>
    private ReserveOperation? CheckElsewhere(AddOperation add, ReserveOperation? after)
    {
        var check = add.CheckAfter(after);
        while (check is not null && check.Life == life)
        {
            check = add.CheckAfter(check);
        }

        return check;
    }

    /// <summary>The rows of the window have just been read, and no add is in flight: they can be told what to be, row by row.</summary>
    private void Set(SetSumsOperation set, OwnerTime time)
    {
        set.Before = _ledger.Read(set.Window, time.CountsUntil);
        set.After = set.Before.With(set.Which, set.Amounts);
        var rows = _ledger.RowsFor(set.Window, set.Amounts, set.Which);
        set.Expect(rows.Count);
        foreach (var (text, amounts) in rows)
        {
            var row = new SetRowOperation(set, set.Window with { Time = text }, amounts);
            row.Trace = _ledger.BeginSet(row.Window);
            Write(row);
        }
    }

    private void Write(WriteOperation write)
    {
        _handedOver++;
        effects.Write(write);
    }

    private void AskWhenSettled(bool patient)
    {
        if (_asked != _handedOver || !patient)
        {
            _asked = _handedOver;
            effects.AskWhenSettled(_handedOver, patient);
        }
    }

    private void BeginLoad(CounterOperation operation)
    {
        var load = new PendingLoad(operation.Window, operation is SetSumsOperation, _handedOver, IsSettled, _loads);
        load.Held.Add(operation);
        _loads = load;
        if (load.IsUnderWay)
        {
            effects.Load(load.Window);
        }
        else
        {
            AskWhenSettled(patient: false);
        }
    }

    private void DoHeld(CounterWindow window, OwnerTime time)
    {
        // Only the first has what it waited for: behind it may stand a set, which needs a load of its own.
        var held = TakeHeld(window);
        for (var index = 0; index < held.Count; index++)
        {
            if (index == 0)
            {
                Do(held[index], time);
            }
            else
            {
                Take(held[index], time);
            }
        }
    }

    private void RefuseHeld(CounterWindow window, OwnerTime time)
    {
        foreach (var operation in TakeHeld(window))
        {
            if (operation is not AddOperation && NeedsLoad(operation))
            {
                operation.TryAnswer(CounterAnswer.Unavailable(CounterReason.Database));
            }
            else
            {
                Do(operation, time);
            }
        }
    }

    private void RefuseWhatWaitsForWrites(OwnerTime time)
    {
        for (var load = _loads; load is not null;)
        {
            var next = load.Next;
            if (!load.IsUnderWay)
            {
                RefuseHeld(load.Window, time);
            }

            load = next;
        }
    }

    private PendingLoad? LoadOf(CounterWindow window)
    {
        var load = _loads;
        while (load is not null && !window.IsNamed(load.Name))
        {
            load = load.Next;
        }

        return load;
    }

    private List<CounterOperation> TakeHeld(CounterWindow window)
    {
        PendingLoad? before = null;
        for (var load = _loads; load is not null; (before, load) = (load, load.Next))
        {
            if (window.IsNamed(load.Name))
            {
                if (before is null)
                {
                    _loads = load.Next;
                }
                else
                {
                    before.Next = load.Next;
                }

                return load.Held;
            }
        }

        return [];
    }

    private bool LeaveIfIdle(OwnerTime time)
    {
        if (_loads is not null || _askedFor is { Count: > 0 } || !IsSettled || _ledger.HasReservations(time.Steady))
        {
            return false;
        }

        _stage = OwnerStage.Leaving;
        effects.Passivate();
        return true;
    }

    private void EndIfDrained()
    {
        // What is held back may be an add: to stop before it is handed on would lose it.
        if (_stage != OwnerStage.Drained || _loads is not null || _askedFor is { Count: > 0 })
        {
            return;
        }

        if (IsSettled || (_endsUncommitted && _isKeptByWriter))
        {
            _stage = OwnerStage.Ended;
            effects.End();
        }
        else
        {
            AskWhenSettled(patient: !_endsUncommitted);
        }
    }

    /// <summary>A load that is under way, or waits for writes; hardly ever more than one, so that those of a key are a chain.</summary>
    private sealed class PendingLoad(
        CounterWindow window, bool anew, uint after, bool isUnderWay, PendingLoad? next)
    {
        public PendingLoad? Next { get; set; } = next;

        public CounterWindow Window { get; } = window;

        public string Name { get; } = window.Name;

        /// <summary>What is known is not enough: the rows are to be read once no add is in flight.</summary>
        public bool Anew { get; } = anew;

        /// <summary>The last write before it.</summary>
        public uint After { get; } = after;

        public bool IsUnderWay { get; set; } = isUnderWay;

        public List<CounterOperation> Held { get; } = [];
    }
}

/// <summary>Where in its life an owner is.</summary>
internal enum OwnerStage : byte
{
    /// <summary>It takes everything.</summary>
    Active,

    /// <summary>It has asked to end: an add is taken, a reservation goes back to the parent for the next life.</summary>
    Leaving,

    /// <summary>Its gate is closing; what was sent before is taken, but for reservations.</summary>
    Draining,

    /// <summary>It ends when its loads are over and its writes are committed.</summary>
    Drained,

    /// <summary>It has ended.</summary>
    Ended,
}
