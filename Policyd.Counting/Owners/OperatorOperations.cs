// What an operator asks of a counter's owner, and the writes that an operator's set consists of.
using Policyd.Plugins.Counters;

namespace Policyd.Counting.Owners;

/// <summary>The sums of a window, and what mails that are not counted yet hold beside them.</summary>
/// <param name="key">The counter.</param>
/// <param name="window">The window.</param>
internal sealed class InspectOperation(CounterKey key, CounterWindow window) : CounterOperation(key, window, MailId.None)
{
    /// <summary>What is reserved; there when it is answered.</summary>
    public CounterAmounts Reserved { get; set; }

    /// <summary>By how many mails.</summary>
    public int Mails { get; set; }
}

/// <summary>
/// The chosen sums of the window become these, the others stay. Answered once it is committed. The rows are read anew before, so that what
/// another writer has counted meanwhile is not undone.
/// </summary>
/// <param name="key">The counter.</param>
/// <param name="window">The window.</param>
/// <param name="amounts">The new sums.</param>
/// <param name="which">Which of them.</param>
internal sealed class SetSumsOperation(CounterKey key, CounterWindow window, CounterAmounts amounts, CounterSums which)
    : CounterOperation(key, window, MailId.None)
{
    private int _rowsOpen;
    private CounterAnswer _worst = CounterAnswer.Known(default);

    public CounterAmounts Amounts { get; } = amounts;

    public CounterSums Which { get; } = which;

    /// <summary>The sums before; there when it is answered.</summary>
    public CounterAmounts Before { get; set; }

    /// <summary>The sums that it makes.</summary>
    public CounterAmounts After { get; set; }

    /// <summary>So many rows are to be written before it is answered.</summary>
    public void Expect(int rows) => _rowsOpen = rows;

    /// <summary>The rows' writer is one actor: no two of these at one time.</summary>
    public void RowAnswered(in CounterAnswer answer)
    {
        if (answer.State > _worst.State)
        {
            _worst = answer;
        }

        if (--_rowsOpen == 0)
        {
            TryAnswer(_worst.State == CounterState.Known ? CounterAnswer.Known(After) : _worst);
        }
    }
}

/// <summary>One row of an operator's set.</summary>
internal sealed class SetRowOperation(SetSumsOperation set, CounterWindow window, CounterAmounts amounts)
    : WriteOperation(set.Key, window, amounts, MailId.None)
{
    internal override bool IsAbsolute => true;

    internal override void OnAnswered() => set.RowAnswered(Answer);
}
