using System.Buffers;

namespace Policyd.Plugins.Logging;

/// <summary>What a plugin, or the chain about a plugin, says of a request: <c>VHOST: instance=I plugin=P: message</c>.</summary>
/// <param name="virtualHost">The name of the virtual host.</param>
/// <param name="instance">The request's instance; may be empty.</param>
/// <param name="plugin">The plugin's name; null for none.</param>
/// <param name="message">The message.</param>
public sealed class PluginMessage(string virtualHost, string instance, string? plugin, string message) : LogRecord
{
    /// <inheritdoc/>
    public override int Weight => message.Length * sizeof(char);

    /// <inheritdoc/>
    public override void WriteText(ArrayBufferWriter<byte> line)
    {
        using var bytes = new Utf8Text(instance);
        LineFields.Begin(line, virtualHost, bytes.Span);
        LineFields.Field(line, "plugin"u8, plugin);
        line.Write(instance.Length == 0 && plugin is null ? " "u8 : ": "u8);
        using var text = new Utf8Text(message);
        if (LogEscape.Append(line, text.Span, EscapeStyle.Free, JsonMembers.MaxTextBytes))
        {
            line.Write("..."u8);
        }
    }

    /// <inheritdoc/>
    public override void WriteJson(JsonMembers members)
    {
        members.Text("message"u8, message, JsonMembers.MaxTextBytes);
        members.Text("virtual_host"u8, virtualHost);
        if (instance.Length > 0)
        {
            members.Text("instance"u8, instance, LogValue.MaxBytes);
        }

        members.Text("plugin"u8, plugin);
    }
}
