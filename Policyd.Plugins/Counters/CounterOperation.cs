using System.Diagnostics.CodeAnalysis;

namespace Policyd.Plugins.Counters;

/// <summary>
/// One question to the owner of a key, or one add. It is the message and the place of its answer: who answers it writes a value into it, so
/// that a phase of a request costs no task and no box. Answered once; what comes after its phase has ended is dropped.
/// </summary>
public abstract class CounterOperation
{
    private const int Open = 0;
    private const int BeingAnswered = 1;
    private const int Answered = 2;
    private const int Closed = 3;

    private CounterAnswer _answer;
    private int _state;

    internal CounterOperation(CounterKey key, CounterWindow window, MailId mail) =>
        (Key, Window, Mail) = (key, window, mail);

    /// <summary>The counter. Who sends the operation brings the key into the one spelling that its table takes for equal.</summary>
    public CounterKey Key { get; internal set; }

    /// <summary>The window, computed by the node that received the request. <c>default</c> where the question is about no window.</summary>
    public CounterWindow Window { get; }

    /// <summary>The mail; <see cref="MailId.None"/> when nobody knows it.</summary>
    public MailId Mail { get; }

    /// <summary>The answer; until it comes, <see cref="CounterState.Unavailable"/>, and a mail counts as admitted.</summary>
    public CounterAnswer Answer => Volatile.Read(ref _state) == Answered ? _answer : CounterAnswer.None;

    /// <summary>Whether it has been answered.</summary>
    public bool IsAnswered => Volatile.Read(ref _state) == Answered;

    /// <summary>Whether an answer is still waited for.</summary>
    internal bool IsOpen => Volatile.Read(ref _state) == Open;

    /// <summary>
    /// The plugin that it is asked for by another (<see cref="Api.IAsksForFollowers"/>); null once that plugin has taken it.
    /// </summary>
    public object? AskedFor { get; set; }

    /// <summary>Who is told of the answer.</summary>
    internal IOperationAsker? Asker { get; set; }

    internal CounterOperation? Next { get; set; }

    /// <summary>The sums that the answer will most likely have; in its place until it comes, and nobody's concern afterwards.</summary>
    private protected CounterAmounts Foreseen
    {
        get => _answer.Total;
        set => _answer = _answer with { Total = value };
    }

    /// <summary>Answers. The first answer counts.</summary>
    /// <param name="answer">The answer.</param>
    /// <returns>False when it had been answered, or its phase had ended.</returns>
    public bool TryAnswer(in CounterAnswer answer)
    {
        if (Interlocked.CompareExchange(ref _state, BeingAnswered, Open) != Open)
        {
            return false;
        }

        _answer = answer;
        Volatile.Write(ref _state, Answered);
        OnAnswered();
        return true;
    }

    /// <summary>Nobody waits any more. After this the answer does not change.</summary>
    internal void Close()
    {
        var wait = default(SpinWait);
        while (Interlocked.CompareExchange(ref _state, Closed, Open) == BeingAnswered)
        {
            wait.SpinOnce();   // the answer is being copied
        }
    }

    internal virtual void OnAnswered() => Asker?.OnAnswered(this);
}

/// <summary>Waits for the answer to an operation: the phase of a request, or another node.</summary>
internal interface IOperationAsker
{
    /// <summary>The operation is answered; called once, on the thread that has answered it.</summary>
    void OnAnswered(CounterOperation operation);
}

/// <summary>The sums of a window, without what other mails have reserved.</summary>
/// <param name="key">The counter.</param>
/// <param name="window">The window.</param>
public sealed class ReadOperation(CounterKey key, CounterWindow window) : CounterOperation(key, window, MailId.None);

/// <summary>
/// Checks whether the metric's sum, with adds in flight and the reservations of other mails, is below the threshold, and if so reserves the
/// mail's amounts until its add, its release or a time-out. Asked again by the same mail it keeps its reservation, never a second one.
/// </summary>
/// <param name="key">The counter.</param>
/// <param name="window">The window.</param>
/// <param name="metric">The sum that is compared.</param>
/// <param name="threshold">The mail is refused when the sum before it is at or above this.</param>
/// <param name="amounts">What the mail will add.</param>
/// <param name="mail">The mail; <see cref="MailId.None"/> reserves nothing.</param>
public sealed class ReserveOperation(
    CounterKey key, CounterWindow window, CounterMetric metric, double threshold, CounterAmounts amounts, MailId mail)
    : CounterOperation(key, window, mail)
{
    /// <summary>The sum that is compared.</summary>
    public CounterMetric Metric { get; } = metric;

    /// <summary>Where the quota is full.</summary>
    public double Threshold { get; } = threshold;

    /// <summary>What the mail will add.</summary>
    public CounterAmounts Amounts { get; } = amounts;

    /// <summary>Which life of the owner has answered; there when it is answered.</summary>
    internal ulong Life { get; set; }

    /// <summary>The check before it that let the same request in, of whichever counter.</summary>
    internal ReserveOperation? AdmittedBefore { get; set; }

    /// <summary>The check before it with which the same request reserved.</summary>
    internal ReserveOperation? ReservedBefore { get; set; }

    /// <summary>Whether its request still holds what it reserved.</summary>
    internal bool IsHeld { get; set; }
}

/// <summary>What is written: it reaches the database through the owner of its key and the writer of that node.</summary>
public abstract class WriteOperation : CounterOperation
{
    // Hardly ever there: a box where it is.
    private readonly object? _formerId;
    private CounterAmounts _cumulated;
    private CounterAmounts _rowAfter;
    private uint _reports;
    private bool _isRowKnown;

    // Not a Nullable, which would be half as large again.
    private readonly UInt128 _requestId;
    private readonly bool _hasRequestId;

    internal WriteOperation(CounterKey key, CounterWindow window, CounterAmounts amounts, MailId mail)
        : base(key, window, mail) => Amounts = amounts;

    /// <summary>What the mail adds, or what a row becomes.</summary>
    public CounterAmounts Amounts { get; }

    /// <summary>What its request is known by; null: always counted.</summary>
    public UInt128? RequestId
    {
        get => _hasRequestId ? _requestId : null;
        private protected init => (_requestId, _hasRequestId) = (value.GetValueOrDefault(), value.HasValue);
    }

    /// <summary>What a server before version 2 would have counted it under; null where no such server can have.</summary>
    public UInt128? FormerId
    {
        get => (UInt128?)_formerId;
        init => _formerId = value;
    }

    /// <summary>Whether the amounts take the place of the row's sums.</summary>
    internal virtual bool IsAbsolute => false;

    /// <summary>What the owner tells the writer with it.</summary>
    internal AddTrace Trace
    {
        get => new(_cumulated, _rowAfter, Foreseen, _isRowKnown, _reports);
        set => (_cumulated, _rowAfter, Foreseen, _isRowKnown, _reports) =
            (value.Cumulated, value.RowAfter, value.SumAfter, value.IsKnown, value.Reports);
    }

    /// <summary>Who is told of the row's total; set by the owner.</summary>
    internal IRowOwner? Owner { get; set; }

    /// <summary>Whether its request was counted before.</summary>
    internal bool IsResend { get; set; }

    /// <summary>Its number in the spool, or that of the entry with which it is answered; 0: not on its way there.</summary>
    internal long SpoolNumber { get; set; }

    /// <summary>The next of the same row in a commit.</summary>
    internal WriteOperation? NextOfRow { get; set; }
}

/// <summary>
/// Adds a mail's amounts, ends its reservation in the same step, and is answered when the database has committed them, or keeps them until
/// it can.
/// </summary>
public sealed class AddOperation : WriteOperation
{
    /// <summary>Makes the operation.</summary>
    /// <param name="key">The counter.</param>
    /// <param name="window">The window.</param>
    /// <param name="amounts">What the mail adds.</param>
    /// <param name="mail">The mail.</param>
    /// <param name="requestId">A mail that is counted under it is not counted again; null: always counted.</param>
    public AddOperation(CounterKey key, CounterWindow window, CounterAmounts amounts, MailId mail, UInt128? requestId)
        : base(key, window, amounts, mail) => RequestId = requestId;

    /// <summary>
    /// The last of the checks that let the mail in, in this request; null: none, or it is to be counted whatever they said. An owner in
    /// another life than the one that made such a check makes it again.
    /// </summary>
    public ReserveOperation? Admission { get; set; }

    /// <summary>Whether it came from another node, which sends it until it is acknowledged.</summary>
    internal bool IsOfAnotherNode { get; init; }

    /// <summary>
    /// Whether such checks let it in, also when its owner has taken it: where it cannot be counted the chain may run again.
    /// </summary>
    internal bool WasAdmitted { get; set; }

    /// <summary>Whether its owner knows by now whether its request is counted.</summary>
    internal bool WasLookedUp { get; set; }

    /// <summary>
    /// The next of the checks of this very counter and window; null when there is none. Not an enumerator, which would be an object for
    /// each mail.
    /// </summary>
    /// <param name="after">The one before; null: from the first.</param>
    internal ReserveOperation? CheckAfter(ReserveOperation? after)
    {
        var check = after is null ? Admission : after.AdmittedBefore;
        while (check is not null && (check.Window.Name != Window.Name || check.Key != Key))
        {
            check = check.AdmittedBefore;
        }

        return check;
    }
}

/// <summary>Whether one of these requests is counted already: what a resend of the mail that filled a quota is let in by.</summary>
/// <param name="key">The counter.</param>
/// <param name="requestIds">The ids under which the request would be counted.</param>
public sealed class FindCountedOperation(CounterKey key, IReadOnlyList<UInt128> requestIds) : CounterOperation(key, default, MailId.None)
{
    /// <summary>The ids.</summary>
    public IReadOnlyList<UInt128> RequestIds { get; } = requestIds;

    /// <summary>The add whose owner asks; null where a plugin does.</summary>
    internal AddOperation? ForAdd { get; init; }

    internal override void OnAnswered()
    {
        if (ForAdd is { } add)
        {
            add.Owner!.TellCounted(this);
        }
        else
        {
            base.OnAnswered();
        }
    }
}

/// <summary>What an owner knew when it took an add: the writer tells by it whether the owner must be told of the commit.</summary>
/// <param name="Cumulated">All that this life of the owner has added to the row, this add included.</param>
/// <param name="RowAfter">The row's sum after it, by what the owner knows.</param>
/// <param name="SumAfter">The window's sum after it.</param>
/// <param name="IsKnown">Whether the row's committed total is known to the owner.</param>
/// <param name="Reports">The number of the last report that had come to the owner by then.</param>
[SuppressMessage("Performance", "CA1815", Justification = "Never compared.")]
internal readonly record struct AddTrace(
    CounterAmounts Cumulated, CounterAmounts RowAfter, CounterAmounts SumAfter, bool IsKnown, uint Reports);

/// <summary>Whoever owns a row: is told what the database has, when that is not what it expects.</summary>
internal interface IRowOwner
{
    /// <summary>How many reports were sent to it that change a sum. The writer's own: nobody else uses it.</summary>
    uint Reports { get; set; }

    /// <summary>A commit has brought a total that the owner does not know.</summary>
    /// <param name="report">What it was.</param>
    void Tell(RowReport report);

    /// <summary>All that it had handed over when it asked is committed; or it is kept, while the database is away.</summary>
    /// <param name="number">The number that it asked with.</param>
    /// <param name="isSettled">Whether it is committed.</param>
    void TellSettled(uint number, bool isSettled);

    /// <summary>Whether the request of an add is counted.</summary>
    /// <param name="find">The question, answered.</param>
    void TellCounted(FindCountedOperation find);
}

/// <summary>What the writer tells the owner of a row.</summary>
/// <param name="Window">The window of the last add.</param>
/// <param name="Kind">What has happened.</param>
/// <param name="Total">Of a commit the row's sums in the database; else what <paramref name="Kind"/> says.</param>
/// <param name="Cumulated">What the owner had added to the row with the last add of that commit.</param>
/// <param name="Retracted">What of these adds was taken off the owner's sum before the commit.</param>
internal sealed record RowReport(
    CounterWindow Window,
    RowReportKind Kind,
    CounterAmounts Total,
    CounterAmounts Cumulated = default,
    CounterAmounts Retracted = default)
{
    /// <summary>
    /// How many reports that change a sum the owner was sent, this one included: a trace tells by it which of them it holds.
    /// </summary>
    public uint Number { get; init; }
}

/// <summary>What has happened to a row, or to adds of it.</summary>
internal enum RowReportKind
{
    /// <summary>A commit has brought a total that the owner does not know.</summary>
    Committed,

    /// <summary>Adds are not part of a commit to come: they were counted before, or are not counted at all. They are taken off.</summary>
    Retracted,

    /// <summary>The commit is done in which the row would have been, had not all of it been taken off.</summary>
    RetractedForGood,
}
