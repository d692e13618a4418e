using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Policyd.Backends.LookupFiles;
using Policyd.Plugins.LookupFiles;
using Policyd.Tests.Support;

namespace Policyd.Tests.LookupFiles;

/// <summary>Files that the real postmap, and Perl's Berkeley DB, have made.</summary>
public sealed class BerkeleyDbFileSpecs : IDisposable
{
    private readonly LookupFileMaker _maker = new();

    public void Dispose() => _maker.Dispose();

    [ServerTest]
    [Theory]
    [InlineData("hash", 0)]
    [InlineData("btree", 0)]
    [InlineData("hash", 1)]
    [InlineData("btree", 1)]
    [InlineData("hash", 10_000)]
    [InlineData("btree", 10_000)]
    public async Task Every_pair_that_postmap_wrote_is_read(string type, int count)
    {
        var seed = Random.Shared.Next();
        var expected = RandomPairs(new Random(seed), count);
        var read = BerkeleyDbFile.Read(await PostmapAsync(type, expected));
        Assert.True(
            expected.Count == read.Count && expected.All(pair => read.TryGetValue(pair.Key, out var value) && value == pair.Value),
            $"seed {seed}: {read.Count} of {expected.Count} pairs");
    }

    [ServerTest]
    [Theory]
    [InlineData("hash")]
    [InlineData("btree")]
    public async Task Keys_and_values_longer_than_a_page_are_read(string type)
    {
        var expected = new Dictionary<string, string>
        {
            ["short"] = "OK",
            [new string('k', 9_000)] = "a long key",
            ["a-long-value"] = new string('v', 60_000),
            ["another"] = new string('w', 5_000),
        };
        Assert.Equal(
            expected.OrderBy(pair => pair.Key, StringComparer.Ordinal),
            BerkeleyDbFile.Read(await PostmapAsync(type, expected)).OrderBy(pair => pair.Key, StringComparer.Ordinal));
    }

    [ServerTest]
    [Theory]
    [InlineData("HASH", 4321, 512)]
    [InlineData("HASH", 1234, 65536)]
    [InlineData("BTREE", 4321, 1024)]
    [InlineData("BTREE", 1234, 16384)]
    public async Task Either_byte_order_and_any_page_size_are_read(string type, int order, int pageSize)
    {
        // Every other pair is deleted again: what was deleted does not come back.
        var size = type == "HASH" ? "bsize" : "psize";
        var file = await _maker.PerlAsync(
            $"DB_File::{type}INFO->new",
            (
                $$"""$info->{lorder} = {{order}}; $info->{{{size}}} = {{pageSize}};""",
                """$db{"key$_"} = "value$_" for 1..500; delete $db{"key" . 2 * $_} for 1..250;"""));
        var expected = Enumerable.Range(0, 250)
            .Select(number => (2 * number) + 1)
            .ToDictionary(number => $"key{number}", number => $"value{number}");
        Assert.Equal(expected.OrderBy(pair => pair.Key, StringComparer.Ordinal), BerkeleyDbFile.Read(
            await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken)).OrderBy(pair => pair.Key, StringComparer.Ordinal));
    }

    [ServerTest]
    [Theory]
    [InlineData("hash")]
    [InlineData("btree")]
    public async Task Damaged_files_are_read_or_refused_and_nothing_else(string type)
    {
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        var pairs = RandomPairs(random, 300);
        pairs["long"] = new string('v', 20_000);
        var good = await PostmapAsync(type, pairs);
        var refused = 0;
        for (var round = 0; round < 3_000; round++)
        {
            var bad = good.ToArray();
            for (var flips = random.Next(1, 40); flips > 0; flips--)
            {
                // Half of them where a page's head is, which steers the reader.
                bad[random.Next(2) == 0
                    ? random.Next(bad.Length)
                    : Math.Min(bad.Length - 1, (random.Next(bad.Length / 4096) * 4096) + random.Next(64))] = (byte)random.Next(256);
            }

            try
            {
                BerkeleyDbFile.Read(random.Next(4) == 0 ? bad[..random.Next(bad.Length)] : bad);
            }
            catch (InvalidDataException)
            {
                refused++;
            }
            catch (Exception e)
            {
                Assert.Fail($"seed {seed}, round {round}: {e}");
            }
        }

        Assert.NotEqual(0, refused);
    }

    [Fact]
    public void Small_file_whose_items_share_their_bytes_does_not_fill_the_memory()
    {
        // A page of metadata, and a leaf whose 16,000 entries all name one item of 30,000 bytes: 240 MB if each were read.
        const int Size = 65536;
        const int Entries = 16_000;
        var file = new byte[2 * Size];
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(12), 0x053162);
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(16), 9);
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(20), Size);
        var leaf = file.AsSpan(Size);
        leaf[25] = 5;
        BinaryPrimitives.WriteUInt16LittleEndian(leaf[20..], Entries);
        for (var entry = 0; entry < Entries; entry++)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(leaf[(26 + (2 * entry))..], 33_000);
        }

        BinaryPrimitives.WriteUInt16LittleEndian(leaf[33_000..], 30_000);
        leaf[33_002] = 1;
        var before = GC.GetAllocatedBytesForCurrentThread();
        var damaged = Assert.Throws<InvalidDataException>(() => BerkeleyDbFile.Read(file));
        Assert.Equal("the file is damaged: items that share their bytes", damaged.Message);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 16 * file.Length);
    }

    [Fact]
    public void What_is_no_such_file_is_refused()
    {
        Assert.Throws<InvalidDataException>(() => BerkeleyDbFile.Read([]));
        Assert.Throws<InvalidDataException>(() => BerkeleyDbFile.Read(new byte[8192]));
        Assert.Throws<InvalidDataException>(() => BerkeleyDbFile.Read(Encoding.ASCII.GetBytes(new string('x', 4096))));
    }

    [ServerTest]
    [Fact]
    public async Task Text_is_read_as_postmap_reads_it()
    {
        const string Text =
            "# comment\n192.0.2.1 OK\r\nMixed.Case  Some Value  \n\n  goes on\nnovalue\n192.0.2.1 second\n\tand on\n  # comment within\n";
        var bytes = Encoding.Latin1.GetBytes(Text.Replace("\r", "", StringComparison.Ordinal));
        var byPostmap = BerkeleyDbFile.Read(await PostmapAsync("hash", bytes));
        var ours = TextHashFile.Read(bytes);
        Assert.Equal("Some Value    goes on", ours["mixed.case"]);
        Assert.Equal(
            byPostmap.Where(pair => pair.Key != "novalue").OrderBy(pair => pair.Key, StringComparer.Ordinal),
            ours.OrderBy(pair => pair.Key, StringComparer.Ordinal));
    }

    private static Dictionary<string, string> RandomPairs(Random random, int count)
    {
        var pairs = new Dictionary<string, string>();
        while (pairs.Count < count)
        {
            pairs[string.Create(
                CultureInfo.InvariantCulture, $"{random.Next(256)}.{random.Next(256)}.{random.Next(256)}.{random.Next(256)}")] =
                random.Next(3) switch { 0 => "OK", 1 => $"{random.Next()}", _ => "REJECT " + new string('r', random.Next(1, 200)) };
        }

        return pairs;
    }

    private Task<byte[]> PostmapAsync(string type, Dictionary<string, string> pairs) =>
        PostmapAsync(type, Encoding.Latin1.GetBytes(string.Concat(pairs.Select(pair => $"{pair.Key} {pair.Value}\n"))));

    private async Task<byte[]> PostmapAsync(string type, byte[] text) =>
        await File.ReadAllBytesAsync(await _maker.PostmapAsync(type, text));
}
