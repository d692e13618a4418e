using System.Buffers;
using System.Text.Unicode;
using Policyd.Engine.Logging;
using Policyd.Plugins.Logging;
using Policyd.Protocol;
using Policyd.Server.Logging;

namespace Policyd.Server.Recording;

/// <summary>
/// A request with its answer as a line of the recording: a part of what the JSON log says of it, under the same names, so that one reader
/// reads both.
/// </summary>
internal static class RecordedLine
{
    public static void Append(ArrayBufferWriter<byte> line, DateTimeOffset time, RequestRecord record, ValueMask mask)
    {
        line.Write("{\"time\":\""u8);
        LogTime.Append(line, time);
        line.Write("\""u8);
        var members = new JsonMembers(line, whole: true);
        members.Text("message"u8, record.Action is null ? "request failed"u8 : "request answered"u8);
        members.Text("virtual_host"u8, record.VirtualHost);
        members.Text("plugin"u8, record.Plugin);
        if (mask.HidesAny && record.Action is { } action)
        {
            members.Text("action"u8, ActionGrammar.FirstWord(action).ToString());
            members.Raw("action_cut"u8, "true"u8);
        }
        else
        {
            members.Text("action"u8, record.Action);
            members.Text("id"u8, record.Id);
        }

        members.Number("elapsed_ms"u8, record.Elapsed.TotalMilliseconds, 3);
        Append(members, record.Request, mask);
        line.Write("}\n"u8);
    }

    // JSON has no place for bytes that are no UTF-8.
    private static void Append(JsonMembers members, PolicyRequest request, ValueMask mask)
    {
        if (!Utf8.IsValid(request.Bytes.Span))
        {
            members.Base64("request_base64"u8, mask.Apply(request));
            return;
        }

        members.Begin("request"u8);
        var attributes = request.Utf8Attributes;
        while (attributes.MoveNext())
        {
            members.Text(attributes.Name, mask.Apply(attributes.Name, attributes.Value));
        }

        members.End();
    }
}
