using System.Runtime.InteropServices;
using System.Text;
using Policyd.Plugins.Idna;
using Policyd.Tests.Support;

namespace Policyd.Tests.Idna;

/// <summary>
/// Random domains become the same names here and by ICU's UTS 46 with Postfix's options: what Postfix asks for is what is asked for here.
/// </summary>
public sealed unsafe class IcuSpecs(ITestOutputHelper output)
{
    private const uint NonTransitionalToAscii = 0x10;
    private const uint EmptyLabel = 0x1;
    private const uint LabelTooLong = 0x2;
    private const uint NameTooLong = 0x4;
    private const uint Hyphens = 0x8 | 0x10 | 0x20;
    private const uint Encoded = 0x100 | 0x400;
    private const int Domains = 50_000;

    // Letters that are changed, joined, left out or refused, and some of each script.
    private static readonly string[] s_pieces =
    [
        "a", "B", "z", "0", "9", "-", ".", "_", "ü", "Ü", "ß", "ẞ", "ς", "Σ", "İ", "ı", "ŉ", "ﬁ", "ﷺ", "Ω", "Å", "é", "e\u0301", "\u0301",
        "\u0323", "\u0344", "\u200d", "\u200c", "\u00ad",
        "。", "．", "｡", "ａ", "Ａ", "א", "ב", "ث", "١", "۱", "क", "\u094d", "が", "か\u3099", "漢", "\ufa11", "한", "\u1112\u1161\u11ab", "\u11a8",
        "😀", "𝐀", "①", "⒈", "≠", "=\u0338", "\u2024", "½", "\ufffd", "\u202e", "\u0e33", "xn--",
    ];

    [Fact]
    public void Random_domains_become_the_names_that_postfix_asks_for()
    {
        using var icu = Icu.Open();
        var seed = Environment.TickCount;
        var random = new Random(seed);
        var (names, refused) = (0, 0);
        for (var number = 0; number < Domains; number++)
        {
            var domain = string.Concat(Enumerable.Range(0, random.Next(1, 12))
                .Select(_ => random.Next(4) > 0 ? s_pieces[random.Next(s_pieces.Length)] : Any(random)));
            if (Ascii.IsValid(domain))
            {
                continue;
            }

            var (expected, errors) = icu.ToAscii(domain);
            var actual = DomainText.ToAscii(domain);
            if ((errors & ~(EmptyLabel | NameTooLong | Hyphens)) == 0)
            {
                names++;
                Assert.True(
                    (expected.EndsWith('.') ? expected[..^1] : expected) == actual,
                    $"seed {seed}: {Shown(domain)} is {expected} for ICU, {actual ?? "no name"} here");
            }
            else if ((errors & (Encoded | LabelTooLong)) == 0)
            {
                refused++;
                Assert.True(actual is null, $"seed {seed}: {Shown(domain)} is no name for ICU ({errors:x}), {actual} here");
            }
        }

        Summary.Line(output, $"domains: seed {seed}, {names} names as ICU {icu.Version} gives them, {refused} refused by both");
    }

    private static string Any(Random random) => Rune.TryCreate(random.Next(0x20000), out var rune) ? rune.ToString() : "x";

    private static string Shown(string text) => string.Join(' ', text.EnumerateRunes().Select(static rune => $"{rune.Value:X4}"));

    /// <summary>The library that Debian's Postfix is linked with. Its functions have its version in their names.</summary>
    private sealed class Icu : IDisposable
    {
        private readonly nint _library;
        private readonly delegate* unmanaged[Cdecl]<nint, byte*, int, byte*, int, Info*, int*, int> _toAscii;
        private readonly nint _idna;

        private Icu(nint library, string version)
        {
            _library = library;
            Version = version;
            _toAscii = (delegate* unmanaged[Cdecl]<nint, byte*, int, byte*, int, Info*, int*, int>)NativeLibrary.GetExport(
                library, "uidna_nameToASCII_UTF8_" + version);
            var open = (delegate* unmanaged[Cdecl]<uint, int*, nint>)NativeLibrary.GetExport(library, "uidna_openUTS46_" + version);
            var error = 0;
            _idna = open(NonTransitionalToAscii, &error);
        }

        public string Version { get; }

        public static Icu Open()
        {
            for (var version = 66; version < 100; version++)
            {
                if (NativeLibrary.TryLoad($"libicuuc.so.{version}", out var library))
                {
                    return new Icu(library, $"{version}");
                }
            }

            return Needs.Missing<Icu>("ICU, which Debian's Postfix depends on, is not installed");
        }

        public (string Name, uint Errors) ToAscii(string domain)
        {
            var bytes = Encoding.UTF8.GetBytes(domain);
            var name = stackalloc byte[4096];
            var info = new Info { Size = (short)sizeof(Info) };
            var error = 0;
            fixed (byte* start = bytes)
            {
                var length = _toAscii(_idna, start, bytes.Length, name, 4096, &info, &error);
                return (Encoding.UTF8.GetString(name, length), info.Errors);
            }
        }

        public void Dispose()
        {
            var close = (delegate* unmanaged[Cdecl]<nint, void>)NativeLibrary.GetExport(_library, "uidna_close_" + Version);
            close(_idna);
            NativeLibrary.Free(_library);
        }

        [StructLayout(LayoutKind.Sequential)]
        private struct Info
        {
            public short Size;
            public sbyte IsTransitionalDifferent;
            public sbyte Reserved;
            public uint Errors;
            public int ReservedToo;
            public int ReservedThree;
        }
    }
}
