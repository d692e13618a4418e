using System.Text;
using Policyd.Fuzz.Harness;
using Policyd.Modules.Spf;

namespace Policyd.Fuzz.Targets;

/// <summary>SPF policies, and the macros in them.</summary>
internal sealed class SpfTarget() : FuzzTarget(
    "spf",
    "a record is taken when and only when RFC 7208's grammar, as regular expressions, takes it; macros expand as a plain expansion has "
        + "them",
    new AllocationBound(128 * 1024, 2000))
{
    public override IReadOnlyList<byte[]> Samples { get; } = Texts.Utf8(
        "v=spf1 +mx a:colo.example.com/28 -all",
        "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 ip6:::ffff:192.0.2.1/96 ?include:_spf.example.net ~all",
        "v=spf1 a//64 a/24//64 mx:%{d2}/24 ptr:example.org exists:%{ir}.%{l1r+-}._spf.%{d} redirect=_spf.%{d}",
        "v=spf1 mx exp=explain._spf.%{d} unknown=%{s}%%%_%- -all",
        "V=SPF1 A:a-b.c-- exists:%{L}%{O3R./}.x. ALL");

    public override IReadOnlyList<byte[]> Words { get; } = Texts.Words(
        "all a mx ptr include: exists: ip4: ip6: redirect= exp= a= %{ } %{d} %{i} %{S1r} %{l128r.-+,/_=} %% %_ %- % / // /0 /32 /128 "
            + "/129 :: 192.0.2.1 example.org ~ ? + - . = : 256 c r t v h p",
        " ", "  ", "\t", "\u00e4");

    public override Outcome Execute(byte[] input, Meter meter)
    {
        var text = Encoding.Latin1.GetString(input);
        if (!SpfRecord.IsPolicy(text))
        {
            Check.That(!PlainSpfReader.IsPolicy(text), "a policy is not seen");
            return Outcome.Rejected("no policy");
        }

        Check.That(PlainSpfReader.IsPolicy(text), "a text is taken for a policy");
        var expected = PlainSpfReader.Describe(text);
        SpfRecord record;
        try
        {
            record = meter.Run(() => SpfRecord.Parse(text));
        }
        catch (SpfSyntaxException refused)
        {
            Check.That(expected is null, $"{refused.Message}, and yet the grammar takes it: {expected}");
            return Outcome.Rejected(refused.Message);
        }

        Check.Same(expected ?? "(no record)", Described(record), "the record");
        var domains = record.Directives.Select(static one => one.Domain).Append(record.Redirect).Append(record.Explanation);
        foreach (var domain in domains.OfType<SpfMacroString>())
        {
            CheckExpansion(domain.Text, meter.Run(() => Expanded(domain)));
        }

        return Outcome.Accepted(string.Join(' ', record.Directives.Take(3).Select(static one => one.Mechanism)));
    }

    private static string Expanded(SpfMacroString domain) =>
        domain.ExpandAsync(static letter => new(PlainSpfReader.ValueOf(letter)), CancellationToken.None).AsTask().GetAwaiter().GetResult();

    // What is longer than any name is cut at its beginning, between macros.
    private static void CheckExpansion(string text, string expanded)
    {
        var plain = PlainSpfReader.Expand(text);
        Check.That(expanded.Length == plain.Length || expanded.Length > 255, $"{text} is cut to {expanded.Length} characters");
        Check.Same(plain[^Math.Min(plain.Length, expanded.Length)..], expanded, $"the expansion of {text}");
    }

    private static string Described(SpfRecord record)
    {
        var text = new StringBuilder();
        foreach (var one in record.Directives)
        {
            PlainSpfReader.Append(text, one.Verdict, one.Mechanism, one.Domain?.Text ?? one.Network?.ToString() ?? "", one.Bits4,
                one.Bits6);
        }

        return text.Append("redirect ").Append(record.Redirect?.Text).Append(" exp ").Append(record.Explanation?.Text).ToString();
    }
}
