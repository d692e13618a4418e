using System.Buffers;
using Policyd.Plugins.Logging;
using Policyd.Protocol;

namespace Policyd.Engine.Logging;

/// <summary>A request before anything has looked at it, with every attribute: a line of level 4.</summary>
/// <param name="virtualHost">The name of its virtual host.</param>
/// <param name="request">The request.</param>
public sealed class ReceivedRequest(string virtualHost, PolicyRequest request) : LogRecord
{
    /// <inheritdoc/>
    public override int Weight => request.Bytes.Length;

    /// <inheritdoc/>
    public override void Written() => request.Return();

    /// <summary>Bounded by <c>max_request_bytes</c> alone: the level is for seeing everything.</summary>
    /// <inheritdoc/>
    public override void WriteText(ArrayBufferWriter<byte> line)
    {
        LineFields.Begin(line, virtualHost, request.Utf8(PolicyAttribute.Instance));
        line.Write(" request:"u8);
        var attributes = request.Utf8Attributes;
        while (attributes.MoveNext())
        {
            line.Write(" "u8);
            LogValue.Append(line, attributes.Name, int.MaxValue);
            line.Write("="u8);
            LogValue.Append(line, attributes.Value, int.MaxValue);
        }
    }

    /// <inheritdoc/>
    public override void WriteJson(JsonMembers members)
    {
        members.Text("message"u8, "request received"u8);
        RequestLine.Begin(members, virtualHost, request);
        RequestLine.Attributes(members, request);
    }
}
