using System.Diagnostics;

namespace Policyd.Fuzz.Harness;

/// <summary>When a run ends: after so many executions, or after so long, whichever comes first.</summary>
internal readonly record struct FuzzBudget(long Executions, TimeSpan Time);

/// <summary>What a run came to.</summary>
internal sealed record FuzzReport(string Target, int Seed)
{
    public long Executions { get; set; }

    public long Accepted { get; set; }

    public long Rejected { get; set; }

    public TimeSpan Slowest { get; set; }

    public TimeSpan Took { get; set; }

    /// <summary>The largest share of its allocation bound that an execution used.</summary>
    public double LargestShare { get; set; }

    public FuzzFailure? Failure { get; set; }

    /// <summary>The input that failed, minimized where the failure allows it.</summary>
    public byte[] Input { get; set; } = [];
}

/// <summary>
/// Executes one target with mutants of its samples. The same seed and number of executions give the same inputs. It runs on a thread of
/// its own, so that the caller's thread finds an execution that does not end.
/// </summary>
internal sealed class FuzzRun(FuzzTarget target, int seed, FuzzBudget budget, Action<byte[]>? beforeEach = null)
{
    /// <summary>An execution that takes this long is a hang. No slow or busy machine makes one of a sound execution.</summary>
    public TimeSpan Hang { get; init; } = TimeSpan.FromSeconds(20);

    // As small as a thread of the pool may have it: a reader that recurses too deep fails here.
    private const int StackBytes = 1536 * 1024;
    private const int MostInteresting = 256;

    private readonly FuzzReport _report = new(target.Name, seed);
    private readonly Random _random = new(seed);
    private readonly List<byte[]> _interesting = [];
    private readonly HashSet<string> _kinds = new(StringComparer.Ordinal);
    private volatile byte[] _current = [];
    private long _startedAt;

    public FuzzReport Run()
    {
        var since = Stopwatch.GetTimestamp();
        Volatile.Write(ref _startedAt, since);
        var thread = new Thread(Execute, StackBytes) { IsBackground = true, Name = "fuzz " + target.Name };
        thread.Start();
        while (!thread.Join(TimeSpan.FromMilliseconds(100)))
        {
            if (Stopwatch.GetElapsedTime(Volatile.Read(ref _startedAt)) > Hang)
            {
                // The thread cannot be ended: its report is left alone.
                return new FuzzReport(target.Name, seed)
                {
                    Took = Stopwatch.GetElapsedTime(since),
                    Executions = _report.Executions,
                    Slowest = Hang,
                    Failure = new FuzzFailure("hang", $"the execution did not end within {Hang.TotalSeconds:0.#} s"),
                    Input = _current,
                };
            }
        }

        _report.Took = Stopwatch.GetElapsedTime(since);
        return _report;
    }

    private void Execute()
    {
        var since = Stopwatch.GetTimestamp();
        var samples = target.Samples;
        var mutator = new Mutator(_random, target.Words, target.LongestInput);
        while (_report.Failure is null && _report.Executions < budget.Executions && Stopwatch.GetElapsedTime(since) < budget.Time)
        {
            var input = _report.Executions < samples.Count ? samples[(int)_report.Executions] : Mutant(mutator, samples);
            ExecuteOne(input);
        }
    }

    private byte[] Mutant(Mutator mutator, IReadOnlyList<byte[]> samples)
    {
        var input = mutator.Mutate(Choose(samples), Choose(samples));
        target.Shape(input, _random);
        return input;
    }

    private byte[] Choose(IReadOnlyList<byte[]> samples) =>
        _interesting.Count > 0 && _random.Next(2) == 0 ? _interesting[_random.Next(_interesting.Count)]
            : samples[_random.Next(samples.Count)];

    private void ExecuteOne(byte[] input)
    {
        beforeEach?.Invoke(input);
        _current = input;
        var started = Stopwatch.GetTimestamp();
        Volatile.Write(ref _startedAt, started);
        var failure = Execution.Run(target, input, out var outcome, out var allocated);
        var took = Stopwatch.GetElapsedTime(started);
        _report.Executions++;
        _report.Slowest = took > _report.Slowest ? took : _report.Slowest;
        if (failure is not null)
        {
            _report.Input = Minimized(input, failure);
            _report.Failure = Execution.Run(target, _report.Input, out _, out _) ?? failure;
            return;
        }

        _report.LargestShare = Math.Max(_report.LargestShare, (double)allocated / target.Bound.Of(input.Length));
        _ = outcome.IsAccepted ? _report.Accepted++ : _report.Rejected++;
        Keep(input, outcome);
    }

    private byte[] Minimized(byte[] input, FuzzFailure failure)
    {
        // Each of its executions may take a while, and none of them is a hang.
        Volatile.Write(ref _startedAt, long.MaxValue);
        return Minimizer.Minimize(target, input, failure);
    }

    // An input that was taken or refused in a way not seen before leads to others; one of the older ones makes room for it.
    private void Keep(byte[] input, Outcome outcome)
    {
        if (_kinds.Count < 100_000 && _kinds.Add((outcome.IsAccepted ? "+" : "-") + OutcomeKind.Of(outcome.Kind)))
        {
            if (_interesting.Count < MostInteresting)
            {
                _interesting.Add(input);
            }
            else
            {
                _interesting[_random.Next(MostInteresting)] = input;
            }
        }
    }
}
