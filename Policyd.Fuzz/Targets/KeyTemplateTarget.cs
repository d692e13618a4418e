using System.Globalization;
using System.Net;
using System.Numerics;
using System.Text;
using System.Text.RegularExpressions;
using Policyd.Fuzz.Harness;
using Policyd.Modules;
using Policyd.Protocol;

namespace Policyd.Fuzz.Targets;

/// <summary>Templates of counter keys.</summary>
internal sealed partial class KeyTemplateTarget() : FuzzTarget(
    "key-template",
    "a template is taken, and filled, as a regular expression's replacement has it",
    new AllocationBound(128 * 1024, 4000))
{
    private static readonly PolicyRequest s_request = Request();

    private static readonly string[] s_folded = ["sender", "recipient", "sasl_username", "sasl_sender", "helo_name", "client_name",
        "reverse_client_name"];

    public override IReadOnlyList<byte[]> Samples { get; } = Texts.Utf8(
        "%{sasl_username}", "%{sender_domain}-%{recipient_domain}", "%{client_address/24/64}", "net %{server_address/8} %{size/3/4}",
            "%%{helo_name}}{", "%{stress}%{sender}");

    public override IReadOnlyList<byte[]> Words { get; } = Texts.Words(
        "%{ } %{} %{sender} %{client_address/ / /0 /32 /33 /128 /129 /032 //64 _domain size recipient instance "
        + "server_address sendr", " ", "\u0661", "\0");

    public override int LongestInput => 500;

    public override Outcome Execute(byte[] input, Meter meter)
    {
        var text = Encoding.UTF8.GetString(input);
        var (template, error) = meter.Run(() => (KeyTemplate.TryParse(text, out var found, out var problem) ? found : null, problem));
        Check.Same(IsTemplate(text).ToString(), (template is not null).ToString(), "whether it is a template");
        if (template is null)
        {
            Check.That(!string.IsNullOrEmpty(error), "a refused template has no message");
            return Outcome.Rejected(error);
        }

        Check.Same(text, template.ToString(), "the text of a template");
        Check.Same(Filled(text) ?? "(none)", meter.Run(() => template.Fill(s_request)) ?? "(none)", "the key");
        return Outcome.Accepted(string.Join(' ', Placeholder().Matches(text).Take(4).Select(static match => match.Groups["inner"].Value)));
    }

    private static bool IsTemplate(string text)
    {
        var placeholders = Placeholder().Matches(text);
        var rest = Placeholder().Replace(text, "\n");
        return placeholders.Count > 0 && !rest.Contains("%{", StringComparison.Ordinal) && placeholders.All(static match =>
            IsPlaceholder(match.Groups["inner"].Value));
    }

    private static bool IsPlaceholder(string inner)
    {
        if (inner is "sender_domain" or "recipient_domain")
        {
            return true;
        }

        var match = Inner().Match(inner);
        return match.Success
            && Enumerable.Range(0, PolicyAttributes.Count).Any(index =>
                PolicyAttributes.NameOf((PolicyAttribute)index) == match.Groups["name"].Value)
            && IsWithin(match.Groups["four"], 32) && IsWithin(match.Groups["six"], 128);
    }

    private static bool IsWithin(Group bits, int most) =>
        !bits.Success || BigInteger.Parse(bits.Value, CultureInfo.InvariantCulture) <= most;

    private static string? Filled(string text)
    {
        var values = Placeholder().Matches(text).Select(static match => ValueOf(match.Groups["inner"].Value)).ToList();
        var next = 0;
        return values.Any(string.IsNullOrWhiteSpace) ? null : Placeholder().Replace(text, _ => values[next++]);
    }

    private static string ValueOf(string inner)
    {
        if (inner.EndsWith("_domain", StringComparison.Ordinal) && inner != "etrn_domain")
        {
            return (s_request[inner[..^"_domain".Length]] ?? "").Split('@')[^1].ToLowerInvariant();
        }

        var match = Inner().Match(inner);
        var value = s_request[match.Groups["name"].Value] ?? "";
        if (!match.Groups["four"].Success)
        {
            return s_folded.Contains(match.Groups["name"].Value) ? value.ToLowerInvariant() : value;
        }

        // 1.2.3 and 0177.0.0.1 are addresses to .NET alone: written anew they are others.
        if (!IPAddress.TryParse(value, out var address)
            || (value.Contains(':', StringComparison.Ordinal) ? value.AsSpan().ContainsAny("[]%") : address.ToString() != value))
        {
            return value;
        }

        var bytes = address.GetAddressBytes();
        var bits = bytes.Length == 4 ? match.Groups["four"].Value : match.Groups["six"].Success ? match.Groups["six"].Value : "64";
        var kept = int.Parse(bits, CultureInfo.InvariantCulture);
        var network = bytes.Select((octet, index) => (byte)(octet & (0xff00 >> Math.Clamp(kept - (8 * index), 0, 8))));
        return string.Create(CultureInfo.InvariantCulture, $"{new IPAddress([.. network])}/{kept}");
    }

    private static PolicyRequest Request()
    {
        var text = RequestSamples.Whole
            .Replace("foo@bar.tld", "Foo+Tag@Bar.TLD", StringComparison.Ordinal)
            .Replace("192.0.2.4", "203.0.113.77", StringComparison.Ordinal)
            .Replace("=bar@foo.tld", "=Bar@Foo.tld", StringComparison.Ordinal);
        return PolicyRequestReader.TryRead(Encoding.UTF8.GetBytes(text), RequestLimits.Default, out var request, out var error) ? request
            : throw new InvalidOperationException(error.Message);
    }

    [GeneratedRegex(@"%\{(?<inner>[^}]*)\}", RegexOptions.CultureInvariant)]
    private static partial Regex Placeholder();

    [GeneratedRegex(@"\A(?<name>[A-Za-z0-9_]+)(?:/(?<four>[0-9]+)(?:/(?<six>[0-9]+))?)?\z", RegexOptions.CultureInvariant)]
    private static partial Regex Inner();
}
