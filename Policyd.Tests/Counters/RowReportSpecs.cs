using CsCheck;
using Policyd.Counting.Owners;
using Policyd.Counting.Store;
using Policyd.Counting.Writing;
using Policyd.Plugins.Counters;

namespace Policyd.Tests.Counters;

/// <summary>
/// An owner's sum beside what the writer tells it: adds, resends, commits and adds that are taken off come in any order, and each report
/// arrives late. When nothing is on its way to the owner its sum is that of the table and of what is yet to be written.
/// </summary>
public sealed class RowReportSpecs
{
    private static readonly DateTimeOffset Noon = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);
    private static readonly CounterKey Key = new("db", "acct", "a");
    private static readonly CounterWindow[] Windows = [new("2026-11"), CounterWindow.Sliding(TimeSpan.FromHours(1), Noon)];

    [Fact]
    public void Sum_is_right_whatever_was_taken_off_between_two_commits() =>
        Gen.Select(Gen.Int[0, 1], Gen.Select(Gen.Int[0, 8], Gen.Int[0, 3]).List[1, 60]).Sample(
            (window, steps) =>
            {
                var walk = new Walk(Windows[window]);
                foreach (var (kind, number) in steps)
                {
                    walk.Step(kind, number);
                    walk.AssertSum();
                }

                walk.End();
            },
            iter: 20_000,
            print: static walk => $"window {walk.Item1}: {string.Join(' ', walk.Item2)}");

    [Fact]
    public void Resend_that_is_taken_off_behind_a_commit_does_not_come_back_with_its_report()
    {
        var walk = new Walk(Windows[0]);
        walk.Add();
        walk.BeginCommit();
        walk.Resend(0);
        walk.Defer();
        walk.Arrive(int.MaxValue);
        walk.Commit(foreign: 1);
        walk.Arrive(int.MaxValue);
        Assert.Equal(1001, walk.Sum);
        walk.End();
    }

    [Fact]
    public void Each_add_of_a_commit_is_told_the_total_of_its_own_place()
    {
        var walk = new Walk(Windows[0]);
        walk.Add();
        var (before, resend, after) = (walk.Add(), walk.Resend(0), walk.Add());
        walk.BeginCommit();
        walk.Commit(foreign: 0);
        Assert.Equal([2, 2, 3], [before.Answer.Total.Count, resend.Answer.Total.Count, after.Answer.Total.Count]);
    }

    [Fact]
    public void Each_add_is_told_so_too_when_the_database_knew_of_one_of_them()
    {
        var walk = new Walk(Windows[0]);
        var (before, counted, after) = (walk.Add(), walk.Add(), walk.Add());
        walk.CountedElsewhere(counted);
        walk.BeginCommit();
        walk.Commit(foreign: 0);
        Assert.Equal([2, 2, 3], [before.Answer.Total.Count, counted.Answer.Total.Count, after.Answer.Total.Count]);
        Assert.Equal(3, walk.Table);
    }

    private sealed class Walk : IRowOwner
    {
        // More than all else together: no sum is right by chance.
        private const int Foreign = 1000;
        private static readonly CounterAmounts One = new(1, 1, 10, 10);

        private CounterLedger _ledger;
        private readonly CounterWindow _window;
        private readonly Queue<RowReport> _onTheWay = new();
        private readonly List<AddOperation> _sent = [];
        private readonly HashSet<UInt128> _counted = [];
        private Part _gathering = new();
        private Part? _attempt;
        private CounterAmounts _table;
        private ulong _mails;

        // The table as of the last commit of the row: what others do is known by that.
        private long _known;
        private bool _isCountedElsewhere;

        public Walk(CounterWindow window)
        {
            _window = window;
            _ledger.Load(window, []);
        }

        public long Sum => _ledger.Read(_window, Noon).Count;

        public long Table => _table.Count;

        public uint Reports { get; set; }

        public void Tell(RowReport report) => _onTheWay.Enqueue(report);

        public void TellSettled(uint number, bool isSettled) => throw new InvalidOperationException("nobody has asked");

        public void TellCounted(FindCountedOperation find) => throw new InvalidOperationException("nobody has asked");

        public void Step(int kind, int number)
        {
            switch (kind)
            {
                case 0 or 1:
                    Add();
                    break;
                case 2 when _sent.Count > 0:
                    Resend(number);
                    break;
                case 3:
                    Defer();
                    break;
                case 4 when _attempt is null:
                    BeginCommit();
                    break;
                case 5 when _attempt is not null:
                    Commit(foreign: number / 3);
                    break;
                case 6 when _sent.Count > 0:
                    Withdraw(_sent[^(1 + (number % _sent.Count))]);
                    break;
                case 7 when _sent.Count > 0:
                    CountedElsewhere(_sent[^(1 + (number % _sent.Count))]);
                    break;
                default:
                    Arrive(number + 1);
                    break;
            }
        }

        public AddOperation Add() => Send(new UInt128(++_mails, 0));

        public AddOperation Resend(int number) => Send(_sent[^(1 + (number % _sent.Count))].RequestId!.Value);

        public void BeginCommit() => (_attempt, _gathering) = (_gathering, new Part());

        /// <summary>The attempt is in the database, and so are mails that somebody else counts.</summary>
        public void Commit(int foreign)
        {
            var deltas = _attempt!.Batch.ToCommit(Guid.Empty, 1, Noon).Deltas;
            _table += new CounterAmounts(foreign * Foreign, 0, 0, 0);
            _table = deltas.Aggregate(_table, static (sum, delta) => sum + delta.Amounts);
            _attempt.Batch.AnswerCommitted([.. deltas.Select(delta => (delta.Table, new CounterRow(delta.Key, delta.Time, _table)))]);
            _known = deltas.Count == 0 ? _known : _table.Count;
            _attempt = null;
        }

        /// <summary>The database is away: all that waits is answered.</summary>
        public void Defer()
        {
            foreach (var part in Parts)
            {
                part.Batch.AnswerDeferred(CounterAnswer.Deferred);
                part.Resent = 0;
            }
        }

        /// <summary>It turns out that another node has counted the request.</summary>
        public void CountedElsewhere(AddOperation add)
        {
            foreach (var part in Parts.Where(part => part.Batch.Retract(id => id == add.RequestId) > 0))
            {
                _isCountedElsewhere = true;
                part.Resent++;
                _table += add.Amounts;   // which the next commit tells
            }
        }

        public void Arrive(int reports)
        {
            while (reports-- > 0 && _onTheWay.TryDequeue(out var report))
            {
                _ledger.Report(report);
            }
        }

        public void AssertSum()
        {
            if (_onTheWay.Count == 0)
            {
                // A mail that another node has counted may be in its sum once or twice until its add is taken off.
                var mails = _known + Parts.Sum(static part => part.Mails);
                Assert.InRange(Sum, mails + (_isCountedElsewhere ? 0 : Resent), mails + Resent);
            }
        }

        /// <summary>All is written and told.</summary>
        public void End()
        {
            while (Parts.Any(static part => !part.Batch.IsEmpty))
            {
                if (_attempt is null)
                {
                    BeginCommit();
                }

                Commit(foreign: 0);
                Arrive(int.MaxValue);
                AssertSum();
            }
        }

        private long Resent => Parts.Sum(static part => part.Resent);

        private IEnumerable<Part> Parts => _attempt is null ? [_gathering] : [_attempt, _gathering];

        private AddOperation Send(UInt128 id)
        {
            var add = new AddOperation(Key, _window, One, MailId.None, id) { Owner = this };
            add.Trace = _ledger.Add(_window, add.Amounts, add.Mail, Noon);
            _sent.Add(add);
            var isResend = !_counted.Add(id);
            _gathering.Batch.Take(add, isResend);
            _gathering.Resent += isResend ? 1 : 0;
            return add;
        }

        /// <summary>The spool does not take it.</summary>
        private void Withdraw(AddOperation add)
        {
            if (Parts.FirstOrDefault(part => part.Batch.TryWithdraw(add, CounterAnswer.Unavailable(CounterReason.Spool))) is { } part)
            {
                part.Resent = 0;
                if (!add.IsResend)
                {
                    _counted.Remove(add.RequestId!.Value);
                }
            }
        }

        /// <summary>What one commit will write, and how much more than that its owner has in its sum.</summary>
        private sealed class Part
        {
            public CommitBatch Batch { get; } = new();

            public long Resent { get; set; }

            public long Mails => Batch.Unwritten.Sum(static table => table.Mails);
        }
    }
}
