using System.Globalization;
using System.Text;
using System.Text.Json;
using Policyd.Fuzz.Harness;
using Policyd.Plugins.Sessions;

namespace Policyd.Fuzz.Targets;

/// <summary>Sessions as their stores keep them: one JSON object.</summary>
internal sealed class SessionTarget() : FuzzTarget(
    "session-json",
    "the values are those of System.Text.Json's reader; a session is written and read again as the same one",
    new AllocationBound(64 * 1024, 400))
{
    public override IReadOnlyList<byte[]> Samples { get; } = Texts.Utf8(
        """{"score":"5.5","score_detail":"a=5, b=0.5","spamhaus":{"listed":true,"codes":[127,2]}}""",
        """{"n":1.50,"x":null,"t":"grüße \u00e4 \ud83d\ude00"}""",
        "{ }",
        """{"a":"1","a":"2","b":[1, 2 , [ ] ],"":"","k1":1,"k2":2,"k3":3,"k4":4,"k5":5,"k6":6,"k7":7,"k8":8}""");

    public override IReadOnlyList<byte[]> Words { get; } = Texts.Words(
        "{ } [ ] : , \" \\ \\u0000 \\ud800 \\udc00 \"a\":1, \"a\":\"x\" true false null NaN -0 1e400 // /*", "\ufeff",
        "\0", "\n");

    public override Outcome Execute(byte[] input, Meter meter)
    {
        var expected = Plain(input);
        Session session;
        try
        {
            session = meter.Run(() => Session.FromJson(input));
        }
        catch (JsonException refused)
        {
            Check.That(expected is null, $"{refused.Message}, and yet it is JSON: {Check.Shown(expected ?? "")}");
            return Outcome.Rejected(refused.Message);
        }

        var described = Described(session);
        Check.Same(expected ?? "(refused)", described, "the session");
        Check.That(session.Bytes == Session.FromJson(input).Bytes, "the size of the same session");
        var json = meter.Run(session.ToJson);
        var again = Session.FromJson(json);
        Check.Same(described, Described(again), "the session, written and read again");
        Check.Same(json, again.ToJson(), "the bytes of the session that was read again");
        var bytes = session.Keys.Sum(key => Session.EntryOverhead + (2L * (key.Length + session[key]!.Length)));
        Check.Same(bytes.ToString(CultureInfo.InvariantCulture), session.Bytes.ToString(CultureInfo.InvariantCulture),
            "the size of the session");
        return Outcome.Accepted($"{Math.Min(10, session.Count)} values");
    }

    private static string Described(Session session) =>
        Texts.Of(session.Keys.Select(key => new KeyValuePair<string, string>(key, session[key] ?? "(absent)")));

    // Of a name that stands twice the last value counts.
    private static string? Plain(byte[] input)
    {
        try
        {
            using var document = JsonDocument.Parse(input);
            if (document.RootElement.ValueKind != JsonValueKind.Object || !IsUnicode(document.RootElement))
            {
                return null;
            }

            var values = new Dictionary<string, string>(StringComparer.Ordinal);
            foreach (var member in document.RootElement.EnumerateObject())
            {
                values[member.Name] = member.Value.ValueKind == JsonValueKind.String ? member.Value.GetString()!
                    : member.Value.GetRawText();
            }

            return Texts.Of(values);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static bool IsUnicode(JsonElement element)
    {
        try
        {
            _ = element.ValueKind == JsonValueKind.String ? element.GetString() : null;
            return element.ValueKind switch
            {
                JsonValueKind.Object => element.EnumerateObject().All(static member => member.Name is not null && IsUnicode(member.Value)),
                JsonValueKind.Array => element.EnumerateArray().All(IsUnicode),
                _ => true,
            };
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }
}
