using System.Diagnostics.Metrics;
using Policyd.Engine.Decisions;
using Policyd.Engine.Following;
using Policyd.Engine.Logging;
using Policyd.Plugins.Metrics;
using Policyd.Protocol;

namespace Policyd.Server.Telemetry;

/// <summary>
/// The metrics of requests and plugins, from the record of each request. Labels are names of the configuration and kinds: nothing that a
/// client sends, or there would be a time series for each.
/// <para>
/// A request only notes what is to be measured. OpenTelemetry gets the notes of many requests one after the other: when a thread has noted
/// enough, and whenever somebody collects metrics, so that what is collected has all requests. Code and tables that nothing else uses
/// meanwhile stay in the processor's cache.
/// </para>
/// </summary>
internal sealed class RequestMetrics : IDecisionListener, IDisposable
{
    private static readonly Histogram<double> s_duration = PolicydMeter.Times(
        "policyd.request.duration", "The time from a request's last byte to its answer.");

    private static readonly Histogram<double> s_pluginDuration = PolicydMeter.Times(
        "policyd.plugin.duration", "The time of one run of a plugin, with the plugins that are nested in it, by outcome.");

    // By the number of the enumeration: the names are made once. An action's kind is behind it, what is closed without an answer the last.
    private static readonly string[] s_kinds = [.. Enum.GetValues<ActionKind>().Select(static kind => Word(kind.ToString())), "none"];
    private static readonly string[] s_outcomes = [.. Enum.GetValues<StepOutcome>().Select(static one => Word(one.ToString()))];

    private readonly Meter _meter = new(PolicydMeter.Name);
    private readonly MeasurementNotes[] _notes;
    private readonly Totals _requests = new("action");
    private readonly Totals _refusals = new("rule");

    public RequestMetrics()
    {
        // Threads that answer at the same time seldom share notes.
        _notes = new MeasurementNotes[(int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Environment.ProcessorCount * 4)];
        for (var index = 0; index < _notes.Length; index++)
        {
            _notes[index] = new MeasurementNotes(Measure);
        }

        Counter("policyd.requests", "Requests, by virtual host and kind of action.", _requests);
        Counter("policyd.refusals", "Requests that were rejected or deferred, by the rule that decided.", _refusals);
    }

    public DecisionDepth Depth => DecisionDepth.Steps;

    public void Decided(RequestRecord record) => _notes[Environment.CurrentManagedThreadId & (_notes.Length - 1)].Add(record);

    public void Dispose() => _meter.Dispose();

    /// <summary>Which of the kinds a request's answer is.</summary>
    public static (int Number, bool Refuses) KindOf(string? action)
    {
        if (action is null)
        {
            return (s_kinds.Length - 1, false);
        }

        var kind = ActionGrammar.KindOf(action);
        return ((int)kind, Refusals.Refuses(kind));
    }

    private void Counter(string name, string description, Totals totals) => _meter.CreateObservableCounter(
        name,
        () =>
        {
            Array.ForEach(_notes, static notes => notes.Measure());
            return totals.All();
        },
        "{request}",
        description);

    private void Measure(ReadOnlySpan<MeasurementNote> notes)
    {
        foreach (var note in notes)
        {
            var host = new KeyValuePair<string, object?>("virtual_host", note.VirtualHost);
            if (note.IsStep)
            {
                s_pluginDuration.Record(note.Elapsed.TotalSeconds, host, new("plugin", note.Name), new("outcome", s_outcomes[note.Number]));
                continue;
            }

            s_duration.Record(note.Elapsed.TotalSeconds, host);
            _requests.Add(note.VirtualHost, s_kinds[note.Number]);
            if (note.Name is { } rule)
            {
                _refusals.Add(note.VirtualHost, rule);
            }
        }
    }

    private static string Word(string name) => System.Text.Json.JsonNamingPolicy.SnakeCaseLower.ConvertName(name);

    /// <summary>How many requests there were of each virtual host and, within it, of each of something else.</summary>
    private sealed class Totals(string label)
    {
        private readonly Lock _lock = new();
        private readonly Dictionary<(string VirtualHost, string Value), long> _totals = [];

        public void Add(string virtualHost, string value)
        {
            lock (_lock)
            {
                System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrAddDefault(_totals, (virtualHost, value), out _)++;
            }
        }

        public IReadOnlyList<Measurement<long>> All()
        {
            lock (_lock)
            {
                return
                [
                    .. _totals.Select(one => new Measurement<long>(
                        one.Value, new KeyValuePair<string, object?>("virtual_host", one.Key.VirtualHost), new(label, one.Key.Value))),
                ];
            }
        }
    }
}
