using System.Buffers;
using System.Text;

namespace Policyd.Plugins.Logging;

/// <summary>
/// An event of the log that knows its parts. It is made on the request path and written by the log's own thread, as text or as JSON:
/// so it holds what does not change any more, and makes no strings.
/// </summary>
public abstract class LogRecord
{
    /// <summary>What a logger that takes only text calls.</summary>
    public static readonly Func<LogRecord, Exception?, string> Formatter = static (record, _) => record.ToString();

    /// <summary>The memory in bytes that stays in use while the record waits to be written, beside itself.</summary>
    public virtual int Weight => 0;

    /// <summary>
    /// The line is written, or dropped, and nobody reads the record any more. Called once, by a log that queues its records; of a record
    /// that another log keeps it is never called.
    /// </summary>
    public virtual void Written()
    {
    }

    /// <summary>Appends the text: valid UTF-8 on one line, with everything from the network quoted.</summary>
    /// <param name="line">The line.</param>
    public abstract void WriteText(ArrayBufferWriter<byte> line);

    /// <summary>Appends the members of the JSON object from <c>message</c> on.</summary>
    /// <param name="members">The object.</param>
    public abstract void WriteJson(JsonMembers members);

    /// <summary>The text.</summary>
    public sealed override string ToString()
    {
        var line = new ArrayBufferWriter<byte>(512);
        WriteText(line);
        return Encoding.UTF8.GetString(line.WrittenSpan);
    }
}
