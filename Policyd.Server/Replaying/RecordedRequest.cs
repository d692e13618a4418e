using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Policyd.Configuration.Values;
using Policyd.Engine.Decisions;
using Policyd.Protocol;

namespace Policyd.Server.Replaying;

/// <summary>A request with its answer, as a line of a recording or of the JSON log has it.</summary>
/// <param name="Time">When it was answered.</param>
/// <param name="VirtualHost">The virtual host that answered it.</param>
/// <param name="Plugin">The plugin that decided; null when none said anything.</param>
/// <param name="Action">The action, or its first word when <paramref name="IsCut"/>; null when there was no answer.</param>
/// <param name="IsCut">Whether the recording hides values, which the text of an action may show.</param>
/// <param name="Request">The request.</param>
internal sealed record RecordedRequest(
    DateTimeOffset Time, string VirtualHost, string? Plugin, string? Action, bool IsCut, PolicyRequest Request)
{
    /// <summary>
    /// Reads a line. What stands before the object, as of a system's log, is passed over. False without an error: it tells of something
    /// else than an answer.
    /// </summary>
    public static bool TryRead(ReadOnlySpan<byte> line, out RecordedRequest? request, out string? error)
    {
        (request, error) = (null, null);
        var start = line.IndexOf((byte)'{');
        if (start < 0)
        {
            error = line.Trim(" \r\t"u8).IsEmpty ? null : "no JSON object";
            return false;
        }

        try
        {
            var members = new Members();
            members.Read(line[start..]);
            return members.TryMake(out request, out error);
        }
        catch (JsonException wrong)
        {
            error = $"not JSON: {StrictJson.Reason(wrong, start)}";
            return false;
        }
        catch (Exception unlike) when (unlike is InvalidOperationException or FormatException)
        {
            error = "a member of the object has a value of another kind than the log's";
            return false;
        }
    }

    private sealed class Members
    {
        // Whatever the server that recorded it has allowed was a request there.
        private static readonly RequestLimits s_limits = new() { MaxRequestBytes = int.MaxValue };

        private readonly ArrayBufferWriter<byte> _request = new(1024);
        private string? _time;
        private string? _message;
        private string? _virtualHost;
        private string? _plugin;
        private string? _action;
        private string? _id;
        private byte[]? _base64;
        private bool _isCut;
        private bool _isIncomplete;

        public void Read(ReadOnlySpan<byte> json)
        {
            var reader = new Utf8JsonReader(json, new JsonReaderOptions { AllowTrailingCommas = false });
            reader.Read();
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var name = reader.GetString();
                reader.Read();
                switch (name)
                {
                    case "time":
                        _time = reader.GetString();
                        break;
                    case "message":
                        _message = reader.GetString();
                        break;
                    case "virtual_host":
                        _virtualHost = reader.GetString();
                        break;
                    case "plugin":
                        _plugin = reader.GetString();
                        break;
                    case "action":
                        _action = reader.GetString();
                        break;
                    case "id":
                        _id = reader.GetString();
                        break;
                    case "action_cut":
                        _isCut = reader.GetBoolean();
                        break;
                    case "request_cut":
                        _isIncomplete = reader.GetBoolean();
                        break;
                    case "request_base64":
                        _base64 = reader.GetBytesFromBase64();
                        break;
                    case "request":
                        ReadAttributes(ref reader);
                        break;
                    default:
                        reader.Skip();
                        break;
                }
            }
        }

        public bool TryMake(out RecordedRequest? request, out string? error)
        {
            (request, error) = (null, null);
            if (_message is not ("request answered" or "request failed") || _virtualHost is null)
            {
                return false;
            }

            if (!DateTimeOffset.TryParse(_time, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time))
            {
                error = "the time is missing, or is none";
            }
            else if (_isIncomplete)
            {
                error = "the request was cut, since it was too long for the system's log";
            }
            else if (!PolicyRequestReader.TryRead(_base64 ?? _request.WrittenMemory, s_limits, out var read, out var wrong))
            {
                error = $"the request is none: {wrong.Message}";
            }
            else
            {
                request = new RecordedRequest(time, _virtualHost, _plugin, ActionWithoutId, _isCut, read);
            }

            return request is not null;
        }

        // As the configuration has it, and as a replay, which decides nothing, leaves it: else each answer with a name would differ.
        private string? ActionWithoutId =>
            string.IsNullOrEmpty(_id) ? _action : _action?.Replace(_id, DecisionId.Place, StringComparison.Ordinal);

        private void ReadAttributes(ref Utf8JsonReader reader)
        {
            if (reader.TokenType != JsonTokenType.StartObject)
            {
                throw new InvalidOperationException();
            }

            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                Append(ref reader);
                _request.Write("="u8);
                if (!reader.Read() || reader.TokenType != JsonTokenType.String)
                {
                    throw new InvalidOperationException();
                }

                Append(ref reader);
                _request.Write("\n"u8);
            }
        }

        private void Append(ref Utf8JsonReader reader)
        {
            var most = reader.HasValueSequence ? (int)reader.ValueSequence.Length : reader.ValueSpan.Length;
            _request.Advance(reader.CopyString(_request.GetSpan(Math.Max(1, most))));
        }
    }
}
