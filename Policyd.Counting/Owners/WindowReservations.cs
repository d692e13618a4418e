using Policyd.Plugins.Counters;

namespace Policyd.Counting.Owners;

/// <summary>
/// What mails hold of a window that were let in and are not counted yet; mostly one. A window has this object only while one holds. Each
/// thread keeps a few for the next windows: nearly every mail needs one, for a short time.
/// </summary>
internal sealed class WindowReservations
{
    private const int MostSpare = 64;

    [ThreadStatic]
    private static Stack<WindowReservations>? s_spare;

    private MailId _firstMail;
    private Reservation _first;
    private Dictionary<MailId, Reservation>? _others;
    private DateTimeOffset _earliestExpiry = DateTimeOffset.MaxValue;

    private WindowReservations()
    {
    }

    public CounterAmounts Sum { get; private set; }

    public int Count => (_firstMail.IsNone ? 0 : 1) + (_others?.Count ?? 0);

    /// <summary>One that holds nothing.</summary>
    public static WindowReservations Rent() => s_spare is { } spare && spare.TryPop(out var one) ? one : new WindowReservations();

    /// <summary>It holds nothing any more, and nobody has it.</summary>
    public void Return()
    {
        _earliestExpiry = DateTimeOffset.MaxValue;
        var spare = s_spare ??= new Stack<WindowReservations>();
        if (spare.Count < MostSpare)
        {
            spare.Push(this);
        }
    }

    public CounterAmounts? Of(MailId mail) =>
        mail.IsNone ? null
        : _firstMail == mail ? _first.Amounts
        : _others is not null && _others.TryGetValue(mail, out var held) ? held.Amounts : null;

    /// <summary>From now on the mail holds these, and nothing else.</summary>
    public void Hold(MailId mail, CounterAmounts amounts, DateTimeOffset until)
    {
        Drop(mail);
        var held = new Reservation(amounts, until);
        if (_firstMail.IsNone)
        {
            (_firstMail, _first) = (mail, held);
        }
        else
        {
            (_others ??= []).Add(mail, held);
        }

        Sum += amounts;
        if (until < _earliestExpiry)
        {
            _earliestExpiry = until;
        }
    }

    /// <summary>The mail holds nothing any more.</summary>
    public void Drop(MailId mail)
    {
        if (mail.IsNone)
        {
            return;
        }

        if (_firstMail == mail)
        {
            _firstMail = MailId.None;
            TakeOff(_first.Amounts);
        }
        else if (_others is not null && _others.Remove(mail, out var held))
        {
            _others = _others.Count == 0 ? null : _others;
            TakeOff(held.Amounts);
        }
    }

    /// <summary>Ends those that have run out. Looks only when the earliest of them can have.</summary>
    public void DropExpired(DateTimeOffset now)
    {
        if (now < _earliestExpiry)
        {
            return;
        }

        _earliestExpiry = DateTimeOffset.MaxValue;
        if (!_firstMail.IsNone)
        {
            DropIfExpired(_firstMail, _first, now);
        }

        if (_others is { } others)
        {
            foreach (var (mail, held) in others)
            {
                DropIfExpired(mail, held, now);
            }
        }
    }

    // A sum ends at the largest number. What was added to it beyond that cannot be taken off again.
    private void TakeOff(CounterAmounts amounts) => Sum = IsFull(Sum) ? SumOfAll() : Sum - amounts;

    private CounterAmounts SumOfAll()
    {
        var sum = _firstMail.IsNone ? default : _first.Amounts;
        if (_others is { } others)
        {
            foreach (var held in others.Values)
            {
                sum += held.Amounts;
            }
        }

        return sum;
    }

    private static bool IsFull(CounterAmounts sum) =>
        sum.Count == long.MaxValue || sum.CountRcpt == long.MaxValue || sum.Size == long.MaxValue || sum.SizeRcpt == long.MaxValue;

    private void DropIfExpired(MailId mail, in Reservation held, DateTimeOffset now)
    {
        if (held.Until <= now)
        {
            Drop(mail);
        }
        else if (held.Until < _earliestExpiry)
        {
            _earliestExpiry = held.Until;
        }
    }

    private readonly record struct Reservation(CounterAmounts Amounts, DateTimeOffset Until);
}
