using System.Text;
using System.Text.Json;
using Policyd.Configuration;
using Policyd.Configuration.Hocon;
using Policyd.Configuration.Tree;
using Policyd.Fuzz.Harness;

namespace Policyd.Fuzz.Targets;

/// <summary>HOCON, of which JSON is a part.</summary>
internal sealed class HoconTarget() : FuzzTarget(
    "hocon",
    "no exception; what is read is written and read again as the same tree, as HOCON and as JSON, where System.Text.Json reads the same",
    new AllocationBound(1024 * 1024, 4000))
{
    private const string Sample = """"
        # a comment
        policyd {
          listen = ["127.0.0.1:12345", "unix:/run/policyd/policy.sock"]
          request_timeout = 20s   // behind
          connections.db { module = Sql, dsn = "Data Source=var/policyd.db" }
          virtual_hosts = [
            { name = accounting, port = 12346, plugins = [
              { name = QuotaIP, threshold = 1000, action = "defer you exceeded" }
            ] }
          ]
          virtual_hosts += ${defaults} { name : "x\u00e4\n" }
        }
        defaults { a = 1.50, b = [1, 2] [3], c = ${?HOME}, "d.e" = null, f = -0e10 }
        list = ${defaults.b} [4]
        text = unquoted words ${defaults.a} "joined"
        verbatim = """a "quoted" \ word
          on two lines"""
        env = ${PATHS[]}
        """";

    public override IReadOnlyList<byte[]> Samples { get; } = Texts.Utf8(
        Sample,
        """{"a":{"b":[1,2.5e3,true,false,null,"text \" \\ \u00fc"]},"c":"","d":[[],{}]}""",
        "a = ${b}\nb = ${c} x\nc = [1]\nd = ${?e}${?f}\na.x.y = 1\na.x.y = 2\n",
        "a += 1\na += 2\nb = { x = 1 } { y = 2 }\nc = \"q\" b\n",
        "many = " + string.Concat(Enumerable.Repeat("[[],{}]", 100)));

    public override IReadOnlyList<byte[]> Words { get; } = Texts.Words(
        "{ } [ ] , : = += ${ ${? } ${a} ${?a} ${a.b} \" \"\"\" \\u \\ud800 // # null true false 1e5 -1 0x a.b.c include url( file( "
            + "required( ${HOME} ${X[]}",
        "include \"absent.hocon\"", "\n", "\r\n", " ", "\t", "\ufeff", "\u00a0", "\u2028", "\0", "\"\"", "a = ${a} [1]\n",
            "a = ${b} ${b}\n");

    public override Outcome Execute(byte[] input, Meter meter)
    {
        var text = Encoding.UTF8.GetString(input);
        var document = meter.Run(() => HoconReader.Read(text, Trees.File, Trees.Options));
        Trees.CheckMessages(document);
        CheckJson(input, document);
        return Trees.OutcomeOf(document, meter);
    }

    // A JSON document of a reader that knows nothing but JSON is the same document in HOCON.
    private static void CheckJson(byte[] input, ConfigDocument document)
    {
        if (Trees.OfJson(input) is { } json)
        {
            Check.That(!document.Diagnostics.HasErrors, $"JSON is refused: {document.Diagnostics.Errors.FirstOrDefault()}");
            Check.Same(json, Trees.Of(document.Root), "the tree of a JSON document");
        }
    }
}
