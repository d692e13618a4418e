using Policyd.Plugins.Logging;

namespace Policyd.Server.Logging;

internal abstract class DeferredMessage
{
    /// <summary>The text, with the exception.</summary>
    public abstract string Format();

    /// <summary>The members from <c>message</c> on.</summary>
    public abstract void WriteJson(JsonMembers members);
}

/// <summary>
/// A message not yet formatted. What it refers to must not change after the call; log arguments here are strings and numbers.
/// </summary>
internal sealed class DeferredMessage<TState>(TState state, Exception? exception, Func<TState, Exception?, string> formatter, bool stack)
    : DeferredMessage
{
    public override string Format()
    {
        var text = Text();
        return exception is null ? text : LogText.WithException(text, exception, stack);
    }

    /// <summary>
    /// The parts of the message are members as well, under their names in small letters: <c>{VirtualHost}</c> is <c>virtual_host</c>.
    /// </summary>
    public override void WriteJson(JsonMembers members)
    {
        members.Text("message"u8, Text(), JsonMembers.MaxTextBytes);
        if (state is IReadOnlyList<KeyValuePair<string, object?>> parts)
        {
            foreach (var (name, value) in parts)
            {
                if (name is not ("{OriginalFormat}" or "Message"))
                {
                    members.Value(PartNames.Of(name), value);
                }
            }
        }

        if (exception is not null)
        {
            members.Text("exception"u8, LogText.WithException("", exception, stack), JsonMembers.MaxTextBytes);
        }
    }

    private string Text()
    {
        try
        {
            return formatter(state, exception);
        }
        catch (Exception broken) when (broken is FormatException or InvalidOperationException or NullReferenceException)
        {
            // A message with a wrong template must not cost the lines around it.
            return $"a log message could not be formatted: {broken.Message}";
        }
    }
}
