using Policyd.Counting.Owners;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;
using Policyd.Tests.Support;

namespace Policyd.Tests.Counters;

/// <summary>
/// The states of an owner, walked at random beside a writer and a table that are plain lists: adds and checks, commits that come late, a
/// foreign writer, loads that fail, an outage, ends and new lives. POLICYD_SEED=N runs one walk again.
/// </summary>
public sealed class CounterOwnerSpecs(ITestOutputHelper output)
{
    private static readonly CounterKey Key = new("db", "acct_sender", "a@example.com");
    private static readonly DateTimeOffset Noon = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);
    private static readonly CounterAmounts One = new(1, 1, 10, 10);

    [Fact]
    public void Sums_and_answers_are_those_of_the_model_after_every_event()
    {
        var seed = TestSeed.Next();
        output.WriteLine($"POLICYD_SEED={seed}");
        var random = new Random(seed);
        for (var walk = 0; walk < 300; walk++)
        {
            new Walk(random).Run(200);
        }
    }

    [Fact]
    public void Report_that_was_overtaken_by_the_end_of_a_load_takes_nothing_away()
    {
        var world = new World();
        var add = World.Add(world.Owner, "m1", One);
        world.Commit(1);
        var read = world.Read();
        world.AnswerLoads(fails: false);
        Assert.Equal(One, read.Answer.Total);
        Assert.Equal(CounterState.Known, add.Answer.State);
    }

    [Fact]
    public void Limit_holds_when_the_owner_moves_between_check_and_add()
    {
        var seed = TestSeed.Next();
        output.WriteLine($"POLICYD_SEED={seed}");
        var random = new Random(seed);
        var (stale, resent) = (0, 0);
        for (var walk = 0; walk < 1000; walk++)
        {
            var moving = new MovingWalk(random);
            moving.Run(100);
            stale += moving.Stale;
            resent += moving.Resent;
        }

        Assert.True(stale > 100 && resent > 100, $"{stale} mails were checked again in vain, {resent} adds sent again");
    }

    [Fact]
    public void Mail_that_another_life_let_in_is_not_counted_where_the_quota_is_full_by_now()
    {
        var world = new World();
        var check = AdmittedAt(world, "m1", threshold: 1);
        world.Move();
        world.Add(AdmittedAt(world, "m2", threshold: 1));
        var add = world.Add(check);
        world.Settle();
        Assert.Equal(CounterState.Stale, add.Answer.State);
        world.Settle();
        Assert.Equal(One, world.Table);
    }

    [Fact]
    public void Resend_of_the_mail_that_filled_the_quota_is_never_stale()
    {
        var world = new World();
        var check = AdmittedAt(world, "m1", threshold: 1);
        world.Add(check);
        world.Settle();
        world.Move();
        world.Read();
        world.Settle();
        var again = world.Add(check);
        Assert.False(again.IsAnswered);
        world.Settle();
        world.Settle();
        Assert.Equal(CounterState.Known, again.Answer.State);
        Assert.Equal(One, world.Table);
    }

    [Fact]
    public void Mail_is_counted_unchecked_while_the_database_is_away_and_the_window_unknown()
    {
        var world = new World();
        var check = AdmittedAt(world, "m1", threshold: 1);
        world.Move();
        world.GoAway();
        var add = world.Add(check);
        world.AnswerLoads(fails: true);
        Assert.Equal(CounterState.Deferred, add.Answer.State);
        world.Commit(int.MaxValue);
        Assert.Equal(One, world.Table);
    }

    [Fact]
    public void Mail_that_was_checked_in_an_earlier_request_is_counted_anyway()
    {
        var world = new World();
        AdmittedAt(world, "m1", threshold: 1);
        world.Move();
        world.Add(AdmittedAt(world, "m2", threshold: 1));
        var add = World.Add(world.Owner, "m1", One);
        world.Settle();
        Assert.Equal((CounterState.Known, One + One), (add.Answer.State, world.Table));
    }

    [Fact]
    public void Mail_whose_asker_has_gone_on_is_counted_here_or_asked_again_from_afar()
    {
        var world = new World();
        var (here, afar) = (AdmittedAt(world, "m1", threshold: 2), AdmittedAt(world, "m2", threshold: 2));
        world.Move();
        world.Add(AdmittedAt(world, "m3", threshold: 2));
        world.Add(AdmittedAt(world, "m4", threshold: 2));
        world.Settle();
        world.Add(here).Close();
        world.Add(afar, isOfAnotherNode: true).Close();
        world.Settle();
        world.Settle();
        Assert.Equal(new CounterAmounts(3, 3, 30, 30), world.Table);
    }

    [Fact]
    public void Owner_does_not_end_while_an_add_waits_to_be_known()
    {
        var world = new World();
        var check = AdmittedAt(world, "m1", threshold: 1);
        world.Move();
        world.Add(AdmittedAt(world, "m2", threshold: 1));
        world.Settle();
        var add = world.Add(check);
        world.Drain();
        Assert.False(world.HasEnded);
        world.AnswerQuestions();
        Assert.True(world.HasEnded);
        Assert.Equal(CounterState.Stale, add.Answer.State);
    }

    [Fact]
    public void Owner_that_knows_sums_stays_while_the_database_is_away()
    {
        var world = new World();
        var read = world.Read();
        world.AnswerLoads(fails: false);
        Assert.True(read.IsAnswered);
        world.IsAway = true;
        world.Look();
        world.Look();
        world.Look();
        Assert.False(world.WouldEnd);
        Assert.Equal(CounterState.Known, world.Read().Answer.State);
        world.IsAway = false;
        world.Look();
        world.Look();
        Assert.True(world.WouldEnd);
    }

    [Fact]
    public void Owner_that_knows_nothing_ends_also_while_the_database_is_away()
    {
        var world = new World { IsAway = true };
        var read = world.Read();
        world.AnswerLoads(fails: true);
        Assert.Equal(CounterState.Unavailable, read.Answer.State);
        world.Look();
        world.Look();
        Assert.True(world.WouldEnd);
    }

    private static ReserveOperation AdmittedAt(World world, string mail, double threshold)
    {
        var check = world.Reserve(mail, threshold);
        world.Settle();
        Assert.Equal((CounterState.Known, true), (check.Answer.State, check.Answer.Yes));
        return check;
    }

    /// <summary>The owner, and around it what it has done: writes in order, loads, questions.</summary>
    private sealed class World : IOwnerEffects, IRowOwner
    {
        private readonly Queue<WriteOperation> _writes = new();
        private readonly Queue<CounterWindow> _loads = new();
        private readonly List<(uint Number, bool IsPatient, int After)> _questions = [];
        private readonly HashSet<MailId> _counted = [];
        private readonly Queue<FindCountedOperation> _finds = new();
        private ulong _life = 1;
        private int _written;

        public World() => Owner = new CounterOwner(this, _life);

        public static CounterWindow Month { get; } = new("2026-11");

        public uint Reports { get; set; }

        public CounterOwner Owner { get; private set; }

        /// <summary>What the database has.</summary>
        public CounterAmounts Table { get; set; }

        public bool IsAway { get; set; }

        public List<CounterOperation> HandedBack { get; } = [];

        public bool WouldEnd { get; private set; }

        public bool GateCloses { get; private set; }

        public bool HasEnded { get; private set; }

        public int WritesWaiting => _writes.Count;

        private static OwnerTime Now => new(Noon, Noon, TimeSpan.FromMinutes(10));

        public static AddOperation Add(CounterOwner owner, string mail, CounterAmounts amounts)
        {
            var add = new AddOperation(Key, Month, amounts, MailId.Of(mail), null);
            owner.OnOperation(add, Now);
            return add;
        }

        /// <summary>The add of a mail that was let in, by this life or by another.</summary>
        public AddOperation Add(ReserveOperation check, bool isOfAnotherNode = false)
        {
            var add = new AddOperation(Key, Month, check.Amounts, check.Mail, check.Mail.Value)
            {
                Admission = check,
                IsOfAnotherNode = isOfAnotherNode,
            };
            Owner.OnOperation(add, Now);
            return add;
        }

        public ReadOperation Read()
        {
            var read = new ReadOperation(Key, Month);
            Owner.OnOperation(read, Now);
            return read;
        }

        public ReserveOperation Reserve(string mail, double threshold)
        {
            var reserve = new ReserveOperation(Key, Month, CounterMetric.Count, threshold, One, MailId.Of(mail));
            Owner.OnOperation(reserve, Now);
            return reserve;
        }

        public void Release(string mail) => Owner.OnRelease(MailId.Of(mail), null);

        public void Look() => Owner.OnLook(Now, IsAway);

        /// <summary>The writer commits so many of the writes that wait, in one transaction.</summary>
        public void Commit(int count)
        {
            IsAway = false;
            WriteOperation? last = null;
            var answered = new List<WriteOperation>();
            for (; count > 0 && _writes.TryDequeue(out var write); count--)
            {
                _written++;
                if (_counted.Add(write.Mail))
                {
                    Table += write.Amounts;
                }

                answered.Add(write);
                last = write;
            }

            if (last is null)
            {
                return;
            }

            if (!last.Trace.IsKnown || last.Trace.RowAfter != Table)
            {
                Tell(new RowReport(last.Window, RowReportKind.Committed, Table, last.Trace.Cumulated));
            }

            answered.ForEach(static write => write.TryAnswer(CounterAnswer.Known(default)));
            foreach (var question in _questions.Where(question => question.After <= _written).ToList())
            {
                _questions.Remove(question);
                TellSettled(question.Number, isSettled: true);
            }
        }

        /// <summary>The database goes away: who waits for a write is told.</summary>
        public void GoAway()
        {
            IsAway = true;
            foreach (var write in _writes)
            {
                write.TryAnswer(CounterAnswer.Deferred);
            }

            foreach (var question in _questions.Where(static question => !question.IsPatient).ToList())
            {
                _questions.Remove(question);
                TellSettled(question.Number, isSettled: false);
            }
        }

        public void AnswerLoads(bool fails)
        {
            while (_loads.TryDequeue(out var window))
            {
                Assert.Equal(0, WritesWaiting);
                if (fails)
                {
                    Owner.OnLoadFailed(window, Now);
                }
                else
                {
                    Owner.OnLoaded(window, [new CounterRow(Key.Key, window.Time, Table)], Now);
                }
            }
        }

        public bool LoadsWait => _loads.Count > 0;

        /// <summary>The partition agrees with the end.</summary>
        public void Drain()
        {
            WouldEnd = false;
            Owner.OnDrain(forGood: false);
            if (GateCloses)
            {
                GateCloses = false;
                Owner.OnGateClosed();
            }
        }

        /// <summary>The key's next life, or the one after a failure.</summary>
        public void BeginLife()
        {
            (HasEnded, WouldEnd) = (false, false);
            _questions.Clear();
            _loads.Clear();
            Owner = new CounterOwner(this, ++_life);
        }

        public void Load(CounterWindow window) => _loads.Enqueue(window);

        public void Write(WriteOperation write)
        {
            write.Owner = this;
            _writes.Enqueue(write);
            if (IsAway)
            {
                write.TryAnswer(CounterAnswer.Deferred);
            }
        }

        public void Find(FindCountedOperation find)
        {
            find.ForAdd!.Owner = this;
            _finds.Enqueue(find);
        }

        public void AskWhenSettled(uint number, bool patient)
        {
            if (_writes.Count == 0)
            {
                _questions.Add((number, patient, _written));
            }
            else if (IsAway && !patient)
            {
                _refuse.Enqueue(number);
            }
            else
            {
                _questions.Add((number, patient, _written + _writes.Count));
            }
        }

        private readonly Queue<uint> _refuse = new();

        /// <summary>Whether the writer knows it.</summary>
        public bool IsCounted(MailId mail) => _counted.Contains(mail) || _writes.Any(write => write.Mail == mail);

        /// <summary>The key moves: this life ends in order, and the next one begins.</summary>
        public void Move()
        {
            Drain();
            for (var round = 0; !HasEnded; round++)
            {
                Assert.InRange(round, 0, 20);
                Settle();
            }

            BeginLife();
        }

        /// <summary>All that waits is written, read and answered.</summary>
        public void Settle()
        {
            AnswerLoads(fails: false);
            Commit(int.MaxValue);
            AnswerQuestions();
        }

        /// <summary>What the writer answers at once comes as a message of its own.</summary>
        public void AnswerQuestions()
        {
            while (_refuse.TryDequeue(out var number))
            {
                TellSettled(number, isSettled: false);
            }

            while (_finds.TryDequeue(out var find))
            {
                find.TryAnswer(CounterAnswer.Known(default) with { Yes = IsCounted(find.ForAdd!.Mail) });
            }

            foreach (var question in _questions.Where(question => question.After <= _written).ToList())
            {
                _questions.Remove(question);
                TellSettled(question.Number, isSettled: true);
            }
        }

        public void HandBack(CounterOperation operation) => HandedBack.Add(operation);

        public void Passivate() => WouldEnd = true;

        public void CloseGate() => GateCloses = true;

        public void End() => HasEnded = true;

        public void Tell(RowReport report) => Owner.OnReport(report, Now);

        public void TellCounted(FindCountedOperation find) => Owner.OnCounted(find, Now);

        public void TellSettled(uint number, bool isSettled) => Owner.OnSettled(number, isSettled, Now);
    }

    private sealed class Walk(Random random)
    {
        private readonly World _world = new();
        private readonly Dictionary<string, CounterAmounts> _held = [];
        private readonly List<(AddOperation Operation, string Mail)> _adds = [];
        private CounterAmounts _all;
        private int _mails;

        public void Run(int steps)
        {
            for (var step = 0; step < steps; step++)
            {
                Step();
                _world.AnswerQuestions();
                if (_world.HasEnded)
                {
                    _world.BeginLife();
                }
            }

            Settle();
            Assert.Equal(_all, _world.Table);
            Assert.All(_adds, static add => Assert.True(add.Operation.IsAnswered));
        }

        private void Step()
        {
            switch (random.Next(14))
            {
                case <= 3:
                    Add($"m{++_mails}");
                    break;
                case 4 when _adds.Count > 0:
                    Resend();
                    break;
                case <= 6:
                    Check();
                    break;
                case 7 when _held.Count > 0:
                    var mail = _held.Keys.First();
                    _held.Remove(mail);
                    _world.Release(mail);
                    break;
                case 8 when !_world.LoadsWait:
                    _world.Commit(random.Next(1, 5));
                    break;
                case 9:
                    _world.AnswerLoads(fails: random.Next(4) == 0);
                    break;
                case 10:
                    _world.GoAway();
                    break;
                case 11:
                    _world.Look();
                    break;
                case 12 when _world.WouldEnd:
                    _world.Drain();
                    break;
                case 13 when random.Next(10) == 0:
                    Fail();
                    break;
            }
        }

        private void Add(string mail)
        {
            var amounts = new CounterAmounts(1, random.Next(1, 4), random.Next(100), random.Next(100));
            _all += amounts;
            _held.Remove(mail);
            _adds.Add((World.Add(_world.Owner, mail, amounts), mail));
        }

        private void Resend()
        {
            // The writer knows it: nothing is added. Only where its first add has been committed, since here the writer has no filter.
            var (first, mail) = _adds[random.Next(_adds.Count)];
            if (first.IsAnswered && _world.WritesWaiting == 0 && !_world.IsAway)
            {
                World.Add(_world.Owner, mail, first.Amounts);
            }
        }

        private void Check()
        {
            Settle();
            var (mail, threshold) = ($"q{++_mails}", random.Next(1, 40));
            var reserve = _world.Reserve(mail, threshold);
            if (_world.HandedBack.Remove(reserve))
            {
                return;
            }

            _world.AnswerQuestions();
            _world.AnswerLoads(fails: false);
            Assert.Equal((CounterState.Known, _all), (reserve.Answer.State, reserve.Answer.Total));
            var room = _all.Count + _held.Count < threshold;
            Assert.Equal(room, reserve.Answer.Yes);
            if (room)
            {
                _held[mail] = One;
            }
        }

        /// <summary>All that waits is written and read: then the sum is the model's.</summary>
        private void Settle()
        {
            for (var round = 0; round < 10; round++)
            {
                _world.Settle();
            }

            if (_world.HasEnded)
            {
                _world.BeginLife();
            }
        }

        private void Fail()
        {
            _world.Owner.OnFailure();
            _held.Clear();
            _world.BeginLife();
        }
    }

    /// <summary>
    /// Mails that are checked and later counted, by a request that brings its check, while the key moves from life to life. Whatever the
    /// order, no more are counted than the threshold allows, and one that is counted is never told to be checked again.
    /// </summary>
    private sealed class MovingWalk(Random random)
    {
        private readonly World _world = new();
        private readonly int _threshold = random.Next(1, 6);
        private readonly List<ReserveOperation> _checks = [];
        private readonly List<ReserveOperation> _admitted = [];
        private readonly List<ReserveOperation> _sent = [];
        private readonly List<(AddOperation Operation, bool WasCounted)> _adds = [];
        private int _mails;

        public int Stale => _adds.Count(static add => add.Operation.Answer.State == CounterState.Stale);

        public int Resent { get; private set; }

        public void Run(int steps)
        {
            for (var step = 0; step < steps; step++)
            {
                Step();
                Look();
            }

            for (var round = 0; round < 10; round++)
            {
                _world.Settle();
            }

            Look();
            Assert.All(_adds, static add => Assert.True(add.Operation.IsAnswered));
            Assert.All(_adds, static add => Assert.False(add.WasCounted && add.Operation.Answer.State == CounterState.Stale));
        }

        private void Step()
        {
            switch (random.Next(12))
            {
                case <= 3:
                    _checks.Add(_world.Reserve($"m{++_mails}", _threshold));
                    break;
                case <= 6 when _admitted.Count > 0:
                    var check = _admitted[random.Next(_admitted.Count)];
                    _admitted.Remove(check);
                    _sent.Add(check);
                    Add(check);
                    break;
                case 7 when _sent.Count > 0:
                    Resent++;
                    Add(_sent[random.Next(_sent.Count)]);
                    break;
                case 8 when !_world.LoadsWait:
                    _world.Commit(random.Next(1, 4));
                    break;
                case 9:
                    _world.AnswerLoads(fails: false);
                    break;
                case 10:
                    _world.AnswerQuestions();
                    break;
                case 11:
                    _world.Move();
                    break;
            }
        }

        private void Add(ReserveOperation check)
        {
            var wasCounted = _world.IsCounted(check.Mail);
            _adds.Add((_world.Add(check), wasCounted));
        }

        private void Look()
        {
            foreach (var check in _checks.FindAll(static check => check.IsAnswered))
            {
                _checks.Remove(check);
                if (check.Answer.Yes)
                {
                    _admitted.Add(check);
                }
            }

            Assert.InRange(_world.Table.Count, 0, _threshold);
        }
    }
}
