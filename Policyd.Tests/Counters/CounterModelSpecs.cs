using System.Globalization;
using Policyd.Actors.Counters;
using Policyd.Backends.Dsn;
using Policyd.Backends.Sql;
using Policyd.Backends.SqlCounters;
using Policyd.Counting.Owners;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Sql;
using Policyd.Tests.Support;

namespace Policyd.Tests.Counters;

/// <summary>
/// Random operations, failures, crashes and jumps of the clock against a plain model. After every quiet point the table equals the model.
/// POLICYD_SEED=N runs one walk again.
/// </summary>
public sealed class CounterModelSpecs(ITestOutputHelper output) : IAsyncLifetime
{
    private const string Table = "acct_sender";
    private const int Keys = 4;
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    // Below the least time that a request id is remembered for.
    private static readonly TimeSpan ResendsWithin = TimeSpan.FromMinutes(4);

    private readonly TemporaryFolder _folder = new();
    private readonly SteadyClock _clock = new();
    private readonly CounterModel _model = new();
    private readonly List<ModelAdd> _unsettled = [];
    private readonly Dictionary<string, int> _done = [];

    private Random _random = new(0);
    private SqlDatabase _database = null!;
    private ICounterStore _table = null!;
    private FaultyCounterStore _store = null!;
    private CounterNodeUnderTest _node = null!;
    private ulong _mails;
    private bool _alone;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        Assert.True(SqlDsn.TryParse($"Data Source={_folder["counters.db"]}", out var dsn, out var error), error);
        _database = SqlDatabase.Create(new SqlConnectionOptions { Dsn = dsn!, Provider = SqlProvider.SQLite });
        _table = _database.CreateCounterStore();
        await _table.PrepareAsync(Table, Cancel);
    }

    public async ValueTask DisposeAsync()
    {
        if (_node is not null)
        {
            await _node.DisposeAsync();
        }

        if (_store is not null)
        {
            await _store.DisposeAsync();
        }

        await _table.DisposeAsync();
        await _database.DisposeAsync();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Table_equals_the_model_after_every_quiet_point(bool alone)
    {
        _alone = alone;
        await Start();
        var seed = TestSeed.Next();
        _random = new Random(seed);
        output.WriteLine($"{(alone ? "alone" : "in a cluster")}: POLICYD_SEED={seed}");
        for (var step = 0; step < 300; step++)
        {
            await Step();
        }

        await Settle();
        output.WriteLine($"{_model.Adds.Count} mails, {_model.Rows.Count} rows; " + string.Join(
            ", ", _done.OrderBy(one => one.Key).Select(one => $"{one.Key} {one.Value}")));
    }

    private Task Step()
    {
        var (name, work) = _random.Next(100) switch
        {
            < 25 => ("add", (Func<Task>)AddOne),
            < 31 => ("burst", AddMany),
            < 50 => ("reserve", Reserve),
            < 55 => ("release", Release),
            < 65 => ("read", Read),
            < 75 => ("resend", Resend),
            < 78 => ("set", Set),
            < 86 => ("clock", MoveClock),
            < 88 => ("passivate", Passivate),
            < 91 => ("away", GoAway),
            < 94 => ("fault", Fault),
            < 98 => ("settle", Settle),
            _ => ("crash", Crash),
        };
        _done[name] = _done.GetValueOrDefault(name) + 1;
        return work();
    }

    private Task AddOne() => Send(NewMail());

    private async Task AddMany()
    {
        var mails = Enumerable.Range(0, _random.Next(2, 20)).Select(_ => NewMail()).ToList();
        var readings = await Task.WhenAll(mails.Select(Ask));
        for (var index = 0; index < mails.Count; index++)
        {
            _model.Add(mails[index]);
            Note(mails[index], readings[index]);
        }
    }

    private async Task Resend()
    {
        var recent = _model.Adds.Where(add => _clock.GetUtcNow() - add.At < ResendsWithin).ToList();
        if (recent.Count > 0)
        {
            // Its window is that of the time when it came again.
            var counted = recent[_random.Next(recent.Count)];
            var add = counted with { Window = counted.Window.Rolling is null ? Month() : Rolling() };
            var reading = await Ask(add);
            _model.EndReservation(add);
            AssertTotal(add, _model.Sum(add.Key, add.Window), reading);
        }
    }

    private async Task Reserve()
    {
        var (key, window, amounts, threshold) = (AnyKey(), AnyWindow(), AnyAmounts(), _random.Next(1, 60));
        var instance = _random.Next(3) == 0 ? $"open{_random.Next(4)}" : $"r{++_mails}";
        var room = _model.HasRoom(key, window, threshold, instance, _clock.GetUtcNow());
        var admission = await _node.Counters.ReserveAsync(
            KeyOf(key), window, CounterMetric.Count, threshold, amounts, MailId.Of(instance), Cancel);
        if (admission.State == CounterState.Known)
        {
            Assert.Equal(room, admission.Admitted);
            Assert.Equal(_model.Sum(key, window), admission.Total);
            if (room)
            {
                _model.Reserve(key, window, amounts, instance, _clock.GetUtcNow());
            }
        }
        else
        {
            AssertTroubled();
        }
    }

    private Task Release()
    {
        var (key, instance) = (AnyKey(), $"open{_random.Next(4)}");
        _node.Counters.Release(KeyOf(key), MailId.Of(instance));
        _model.Release(key, instance);
        return Task.CompletedTask;
    }

    private async Task Read()
    {
        var (key, window) = (AnyKey(), AnyWindow());
        var reading = await _node.Counters.ReadAsync(KeyOf(key), window, Cancel);
        if (reading.State == CounterState.Known)
        {
            Assert.Equal(_model.Sum(key, window), reading.Total);
        }
        else
        {
            AssertTroubled();
        }
    }

    private async Task Set()
    {
        await Settle();
        var (key, window, amounts) = (AnyKey(), Month(), AnyAmounts());
        var changed = await _node.Operations.SetAsync(KeyOf(key), window, amounts, CounterSums.All, Cancel);
        Assert.Equal(CounterState.Known, changed!.State);
        Assert.Equal(_model.Sum(key, window), changed.Before);
        Assert.Equal(amounts, changed.After);
        _model.Rows[(key, window.Time)] = amounts;
    }

    private async Task MoveClock()
    {
        // What is in flight in an old bucket is counted until it is committed: compare only what is settled.
        await Settle();
        _clock.Advance(_random.Next(5) switch
        {
            0 => TimeSpan.FromSeconds(_random.Next(1, 30)),
            1 => TimeSpan.FromSeconds(70),
            2 => TimeSpan.FromMinutes(11),
            3 => TimeSpan.FromMinutes(59),
            _ => TimeSpan.FromDays(_random.Next(1, 20)),
        });
    }

    private async Task Passivate()
    {
        await Settle();
        _clock.Advance(TimeSpan.FromMinutes(11));
        await Eventually.Holds("all owners to be gone", () => _node.Owners.Count == 0);
    }

    private Task GoAway()
    {
        _store.Away = true;
        return Task.CompletedTask;
    }

    private async Task Fault()
    {
        _store.NextCommit = _random.Next(3) switch
        {
            0 => FaultyCounterStore.CommitFault.AnswerLost,
            1 => FaultyCounterStore.CommitFault.CommitLost,
            _ => FaultyCounterStore.CommitFault.Conflict,
        };
        await AddOne();
    }

    /// <summary>The node is gone in the midst of its work. What it had not answered for good is sent again, as Postfix does.</summary>
    private async Task Crash()
    {
        var mails = Enumerable.Range(0, _random.Next(1, 10)).Select(_ => NewMail()).ToList();
        var unanswered = mails.Select(Ask).ToList();
        if (_random.Next(2) == 0)
        {
            await unanswered[0];
        }

        await _node.Crash();
        _store.Away = false;
        _store.NextCommit = FaultyCounterStore.CommitFault.None;
        _model.ForgetReservations();
        await Start();
        foreach (var mail in mails)
        {
            _model.Add(mail);
        }

        var again = _unsettled.Concat(mails).ToList();
        _unsettled.Clear();
        await Task.WhenAll(again.Select(async mail => Assert.Equal(CounterState.Known, (await Ask(mail)).State)));
        await Settle();
    }

    /// <summary>The database is back, everything is written: now the table is the model.</summary>
    private async Task Settle()
    {
        var wasAway = _store.Away;
        _store.Away = false;
        _store.NextCommit = FaultyCounterStore.CommitFault.None;
        Assert.True(await _node.Flush(), "everything is written");
        _unsettled.Clear();
        if (wasAway)
        {
            _clock.Advance(TimeSpan.FromSeconds(6));   // past the loader's longest back-off
        }

        foreach (var ((key, time), expected) in _model.Rows)
        {
            var rows = await _table.LoadAsync(Table, [new CounterLoad(key, new CounterTimeRange(time, time))], Cancel);
            Assert.Equal((key, time, expected), (key, time, Assert.Single(rows).Total));
        }
    }

    private async Task Send(ModelAdd mail)
    {
        var reading = await Ask(mail);
        var sum = _model.Add(mail);
        Note(mail, reading);
        AssertTotal(mail, sum, reading);
    }

    /// <summary>An add does not load: of a rolling window its owner may not know the older buckets yet.</summary>
    private static void AssertTotal(ModelAdd mail, CounterAmounts expected, CounterReading reading)
    {
        if (reading.State == CounterState.Known && mail.Window.Rolling is null)
        {
            Assert.Equal(expected, reading.Total);
        }
        else if (reading.State == CounterState.Known)
        {
            Assert.InRange(reading.Total.Count, 0, expected.Count);
        }
    }

    private void Note(ModelAdd mail, CounterReading reading)
    {
        if (reading.State != CounterState.Known)
        {
            AssertTroubled(mayHaveEnded: true);
            _unsettled.Add(mail);
        }
    }

    private Task<CounterReading> Ask(ModelAdd mail) =>
        _node.Counters.AddAsync(KeyOf(mail.Key), mail.Window, mail.Amounts, MailId.Of(mail.Instance), mail.Id, Cancel).AsTask();

    /// <summary>Nothing but trouble with the database excuses an answer without a total.</summary>
    private void AssertTroubled(bool mayHaveEnded = false) =>
        Assert.True(_store.Away || _unsettled.Count > 0 || mayHaveEnded, "unavailable, though the database is there");

    private ModelAdd NewMail()
    {
        var instance = _random.Next(4) == 0 ? $"open{_random.Next(4)}" : $"m{++_mails}";
        return new ModelAdd(AnyKey(), AnyWindow(), AnyAmounts(), instance, new UInt128(++_mails, 0), _clock.GetUtcNow());
    }

    private string AnyKey() => $"u{_random.Next(Keys)}@example.com";

    private CounterWindow AnyWindow() => _random.Next(3) == 0 ? Rolling() : Month();

    private CounterWindow Rolling() => CounterWindow.Sliding(Hour, _clock.GetUtcNow());

    private CounterWindow Month() => CounterWindow.Calendar("%Y-%m", _clock.GetUtcNow());

    private CounterAmounts AnyAmounts() => CounterAmounts.OfMail(_random.Next(1, 5), _random.Next(0, 1000));

    private static CounterKey KeyOf(string key) => new("db", Table, key);

    private async Task Start()
    {
        _store = new FaultyCounterStore(_database.CreateCounterStore());
        var settings = new CounterSettings { PassivateAfter = TimeSpan.FromMilliseconds(100) };
        _node = await (_alone
            ? CounterNodeUnderTest.StartAlone(_store, _clock, settings)
            : CounterNodeUnderTest.StartInCluster(_store, clock: _clock, settings: settings));
    }

    /// <summary>Moves only when it is told to; read by all threads.</summary>
    private sealed class SteadyClock : TimeProvider
    {
        private long _ticks = new DateTimeOffset(2026, 11, 23, 12, 0, 0, TimeSpan.Zero).Ticks;

        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Interlocked.Read(ref _ticks);

        public override DateTimeOffset GetUtcNow() => new(Interlocked.Read(ref _ticks), TimeSpan.Zero);

        public void Advance(TimeSpan time) => Interlocked.Add(ref _ticks, time.Ticks);
    }
}
