using System.Buffers;
using Policyd.Engine.Decisions;
using Policyd.Plugins.Logging;
using Policyd.Plugins.Sessions;
using Policyd.Protocol;

namespace Policyd.Engine.Logging;

/// <summary>
/// What became of one request: the one line that is logged for it, and what whoever else listens is told. Immutable, and made once a
/// request, when its answer is known, if the log shows it or somebody listens.
/// </summary>
public sealed class RequestRecord : LogRecord
{
    private DecisionRemarks? _remarks;

    /// <summary>The name of the virtual host; null when there was none for the request.</summary>
    public string? VirtualHost { get; init; }

    /// <summary>The request.</summary>
    public required PolicyRequest Request { get; init; }

    /// <summary>The plugin that decided, or that failed; null when none said anything.</summary>
    public string? Plugin { get; init; }

    /// <summary>The action that was answered; null when the connection was closed without an answer.</summary>
    public string? Action { get; init; }

    /// <summary>The decision's name, and what was observed; null when there is none of it.</summary>
    public DecisionRemarks? Remarks
    {
        get => Volatile.Read(ref _remarks);
        init => _remarks = value;
    }

    /// <summary>The decision's name; null as long as nobody needs one.</summary>
    public string? Id => Remarks?.Id;

    /// <summary>What those that are observed would have answered; null when nobody would have.</summary>
    public string? Observed => Remarks?.Observed;

    /// <summary>The first plugin that is observed and would have withheld the mail; null when none would have.</summary>
    public string? WouldWithhold => Remarks?.WouldWithhold;

    /// <summary>What failed, also when there is an action all the same; null when nothing did.</summary>
    public string? Failure { get; init; }

    /// <summary>The scores of the mail, that of the default field first; null when nothing scored.</summary>
    public IReadOnlyList<MailScore>? Scores { get; init; }

    /// <summary>From the request's last byte to its answer.</summary>
    public TimeSpan Elapsed { get; init; }

    /// <summary>When, and on which way; null when nobody but the log reads the record.</summary>
    public DecisionTrail? Trail { get; init; }

    /// <summary>The steps of <see cref="Trail"/>; empty when there are none.</summary>
    public IReadOnlyList<DecisionStep> Steps => Trail?.Steps ?? [];

    /// <summary>
    /// The plugin whose action was answered, which need not be the last one with a result (<see cref="Plugin"/>); without an action the one
    /// that failed. Null when none said anything.
    /// </summary>
    public string? Rule => Action is null ? Plugin : Trail?.Rule ?? Plugin;

    /// <summary>Whether somebody reads it later.</summary>
    internal bool IsHeld { get; private set; }

    private MailScore? Default => Scores is [{ IsDefault: true } first, ..] ? first : null;

    private IEnumerable<MailScore> Others => Scores is null ? [] : Scores.Where(static score => !score.IsDefault);

    /// <inheritdoc/>
    public override int Weight => Request.Bytes.Length;

    /// <summary>
    /// Gives the decision a name if it has none. Who listens does so when it is told of the record: then the log's line, made later, has
    /// the name as well.
    /// </summary>
    public void Name() => LazyInitializer.EnsureInitialized(ref _remarks).Name(Trail?.Time ?? DateTimeOffset.UtcNow);

    /// <summary>One more reads the record, until it calls <see cref="Written"/>.</summary>
    public void Hold()
    {
        IsHeld = true;
        Request.Hold();
    }

    /// <inheritdoc/>
    public override void Written() => Request.Return();

    /// <inheritdoc/>
    public override void WriteText(ArrayBufferWriter<byte> line)
    {
        LineFields.Begin(line, VirtualHost, Request.Utf8(PolicyAttribute.Instance));
        RequestLine.Shown(line, Request);
        LineFields.Field(line, "plugin"u8, Plugin);
        LineFields.Field(line, "action"u8, Action);
        LineFields.Field(line, "id"u8, Id);
        LineFields.Field(line, "observed"u8, Observed);
        if (Default is { } score)
        {
            LineFields.Field(line, "score"u8, score.Value);
            LineFields.Field(line, "score_detail"u8, score.Detail);
        }

        if (Others.Any())
        {
            LineFields.Field(
                line, "scores"u8, string.Join(", ", Others.Select(static other => $"{other.Field}={other.Value} [{other.Detail}]")));
        }

        LineFields.Field(line, "error"u8, Failure);
        LineFields.Name(line, "elapsed_ms"u8);
        LogNumber.Append(line, Elapsed.TotalMilliseconds, 1);
    }

    /// <inheritdoc/>
    public override void WriteJson(JsonMembers members)
    {
        members.Text("message"u8, Action is null ? "request failed"u8 : "request answered"u8);
        RequestLine.Begin(members, VirtualHost, Request);
        members.Text("plugin"u8, Plugin);
        members.Text("action"u8, Action);
        members.Text("id"u8, Id);
        members.Text("observed"u8, Observed, JsonMembers.MaxTextBytes);
        if (Default is { } score)
        {
            members.Number("score"u8, score.Value);
            members.Text("score_detail"u8, score.Detail, JsonMembers.MaxTextBytes);
        }

        WriteOtherScores(members);
        members.Text("error"u8, Failure, JsonMembers.MaxTextBytes);
        members.Number("elapsed_ms"u8, Elapsed.TotalMilliseconds, 3);
        RequestLine.Attributes(members, Request);
    }

    private void WriteOtherScores(JsonMembers members)
    {
        if (!Others.Any())
        {
            return;
        }

        members.Begin("scores"u8);
        foreach (var score in Others)
        {
            using var field = new Utf8Text(score.Field);
            members.Begin(field.Span);
            members.Number("score"u8, score.Value);
            members.Text("score_detail"u8, score.Detail, JsonMembers.MaxTextBytes);
            members.End();
        }

        members.End();
    }
}
