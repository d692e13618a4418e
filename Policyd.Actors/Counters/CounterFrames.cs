using Policyd.Actors.Network;
using static Policyd.Actors.Counters.CounterPostProtocol;

namespace Policyd.Actors.Counters;

/// <summary>
/// The counters' messages on a direct connection between two nodes: one byte names the message, and its bytes follow, as in <see
/// cref="CounterMessageSerializer"/>.
/// </summary>
internal static class CounterFrames
{
    private const byte AskFrame = 1;
    private const byte AnswersFrame = 2;
    private const byte ReleaseFrame = 3;

    /// <summary>Sends a message; false when it cannot be sent now.</summary>
    public static bool TryWrite(FramedStream connection, ICounterMessage message) => message switch
    {
        Ask ask => connection.TryWrite([AskFrame], ask.Bytes),
        Answers answers => connection.TryWrite([AnswersFrame], answers.Bytes),
        Release release => connection.TryWrite([ReleaseFrame], release.Bytes),
        _ => throw new ArgumentException($"{message.GetType()} does not go over a direct connection", nameof(message)),
    };

    /// <summary>What a frame says to the post; of a frame that this version does not know, that it does not.</summary>
    public static object Read(ReadOnlySpan<byte> frame) => frame switch
    {
        [AskFrame, .. var bytes] => new Ask(bytes.ToArray()),
        [AnswersFrame, .. var bytes] => new Answers(bytes.ToArray()),
        [ReleaseFrame, .. var bytes] => new Release(bytes.ToArray()),
        [var kind, ..] => new UnknownFrame($"a message of the kind {kind}, which this version does not know"),
        [] => new UnknownFrame("a message without a kind"),
    };
}
