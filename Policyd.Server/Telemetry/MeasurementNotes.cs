using Policyd.Engine.Logging;

namespace Policyd.Server.Telemetry;

/// <summary>What is to be measured of a request, or of one run of a plugin.</summary>
/// <param name="VirtualHost">The virtual host.</param>
/// <param name="Name">The plugin; of a request the rule that refused it, and null when none did.</param>
/// <param name="Elapsed">How long it took.</param>
/// <param name="IsStep">Whether it is a plugin's.</param>
/// <param name="Number">The plugin's outcome, or the kind of the request's action.</param>
internal readonly record struct MeasurementNote(string VirtualHost, string? Name, TimeSpan Elapsed, bool IsStep, int Number);

/// <summary>Takes in notes.</summary>
/// <param name="notes">The notes, which are void afterwards.</param>
internal delegate void NotesReader(ReadOnlySpan<MeasurementNote> notes);

/// <summary>
/// The notes of some threads until they are measured. Bounded: the thread that finds no room measures all of them, some ten microseconds.
/// </summary>
/// <param name="measure">Measures them.</param>
internal sealed class MeasurementNotes(NotesReader measure)
{
    private readonly Lock _lock = new();
    private readonly MeasurementNote[] _notes = new MeasurementNote[128];
    private int _count;

    public void Add(RequestRecord record)
    {
        var host = record.VirtualHost ?? "none";
        var (kind, refuses) = RequestMetrics.KindOf(record.Action);
        var rule = refuses ? record.Rule ?? "none" : null;
        lock (_lock)
        {
            Add(new MeasurementNote(host, rule, record.Elapsed, IsStep: false, kind));
            var steps = record.Steps;
            for (var index = 0; index < steps.Count; index++)
            {
                var step = steps[index];
                Add(new MeasurementNote(host, step.Plugin, step.Elapsed, IsStep: true, (int)step.Outcome));
            }
        }
    }

    /// <summary>Measures what was noted so far.</summary>
    public void Measure()
    {
        lock (_lock)
        {
            measure(_notes.AsSpan(0, _count));
            _count = 0;
        }
    }

    private void Add(MeasurementNote note)
    {
        if (_count == _notes.Length)
        {
            Measure();
        }

        _notes[_count++] = note;
    }
}
