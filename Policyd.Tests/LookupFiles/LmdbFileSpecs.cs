using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Policyd.Backends.LookupFiles;
using Policyd.Plugins.LookupFiles;
using Policyd.Tests.Support;

namespace Policyd.Tests.LookupFiles;

/// <summary>Files that the real postmap has made, whole, damaged, and while it writes to them.</summary>
[ServerTest]
public sealed class LmdbFileSpecs : IDisposable
{
    private const int PageSizeAt = 40;
    private const int DepthAt = 94;
    private const int EntriesAt = 120;
    private const int RootAt = 128;
    private const int TransactionAt = 144;

    private readonly LookupFileMaker _maker = new();

    public void Dispose() => _maker.Dispose();

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(20_000)]
    public async Task Every_pair_that_postmap_wrote_is_read_and_no_other(int count)
    {
        var seed = Random.Shared.Next();
        var expected = RandomPairs(new Random(seed), count);
        var file = await PostmapAsync(expected);
        Assert.True(
            count < 20_000 || Newer(file)[DepthAt] >= 3, "a tree of three levels, so that there are branch pages below branch pages");
        AssertSame(expected, LmdbFile.Read(file), $"seed {seed}");
    }

    [Fact]
    public async Task Values_longer_than_a_page_are_read()
    {
        var expected = RandomPairs(new Random(1), 500);
        foreach (var length in new[] { 1_900, 2_100, 4_079, 4_080, 4_081, 8_176, 60_000 })
        {
            expected[$"value-of-{length}"] = string.Concat(Enumerable.Range(0, length).Select(at => (char)('a' + (at % 23))));
        }

        expected[new string('k', 510)] = "the longest key, with its zero byte";
        AssertSame(expected, LmdbFile.Read(await PostmapAsync(expected)), "long values");
    }

    [Fact]
    public async Task Pages_that_are_not_in_use_any_more_are_passed_over()
    {
        for (var seed = 1; seed <= 5; seed++)
        {
            var expected = RandomPairs(new Random(seed), 2_000 - (seed * 300));
            await PostmapAsync(expected);
            foreach (var key in expected.Keys.Take(3).ToList())
            {
                await _maker.RunPostmapAsync("lmdb", "", "-d", key);
                expected.Remove(key);
            }

            AssertSame(
                expected,
                LmdbFile.Read(await File.ReadAllBytesAsync(_maker.Folder["map.lmdb"], TestContext.Current.CancellationToken)),
                $"writing {seed}");
        }
    }

    [Theory]
    [InlineData("-n")]
    [InlineData("-N")]
    public async Task Zero_bytes_at_the_end_are_as_Postfix_takes_them(string option)
    {
        // Both kinds in one map: the key of the other kind as well, with another value.
        await _maker.PostmapAsync("lmdb", Encoding.ASCII.GetBytes("both first\nalone yes\n"), option);
        await _maker.RunPostmapAsync("lmdb", "both second\nother yes\n", "-i", option == "-n" ? "-N" : "-n");
        var read = LmdbFile.Read(await File.ReadAllBytesAsync(_maker.Folder["map.lmdb"], TestContext.Current.CancellationToken));
        Assert.Equal(["alone", "both", "other"], read.Keys.Order(StringComparer.Ordinal));
        foreach (var (key, value) in read)
        {
            Assert.Equal(await _maker.RunPostmapAsync("lmdb", "", "-q", key), value);
        }

        Assert.Equal("", await _maker.RunPostmapAsync("lmdb", "", "-q", "absent"));
    }

    [Fact]
    public async Task Damaged_files_are_read_or_refused_and_nothing_else()
    {
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        var pairs = RandomPairs(random, 2_000);
        pairs["long"] = new string('v', 20_000);
        var good = await PostmapAsync(pairs);
        var refused = 0;
        for (var round = 0; round < 5_000; round++)
        {
            var bad = good.ToArray();
            for (var flips = random.Next(1, 30); flips > 0; flips--)
            {
                // Most of them where a page's head and its places are, and where its first entries are; a few in the metas, which else
                // would refuse most files.
                var page = random.Next(random.Next(20) == 0 ? 0 : 2, bad.Length / 4096) * 4096;
                var place = random.Next(3) switch { 0 => random.Next(4096), 1 => random.Next(160), _ => 10 + random.Next(12) };
                bad[page + place] = (byte)(random.Next(3) == 0 ? random.Next(256) : random.Next(8));
            }

            try
            {
                LmdbFile.Read(random.Next(8) == 0 ? bad[..random.Next(bad.Length)] : bad);
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

        Assert.True(refused is > 2_000 and < 5_000, $"seed {seed}: {refused} refused");
    }

    [Fact]
    public async Task File_cut_off_anywhere_is_refused()
    {
        var good = await PostmapAsync(RandomPairs(new Random(1), 1_000));
        AssertRefused("not an LMDB file", []);
        AssertRefused("not an LMDB file", good[..150]);
        AssertRefused("second meta page is missing", good[..4096]);
        AssertRefused("second meta page is missing", good[..4200]);
        AssertRefused("is beyond its end", good[..8192]);
        AssertRefused("is beyond its end", good[..(good.Length - 1)]);
    }

    [Fact]
    public async Task Page_number_that_leads_round_or_out_of_the_file_is_refused()
    {
        var good = await PostmapAsync(RandomPairs(new Random(1), 1_000));
        var root = BinaryPrimitives.ReadInt32LittleEndian(Newer(good).AsSpan(RootAt));
        var places = Enumerable.Range(0, 2)
            .Select(index => (root * 4096) + BinaryPrimitives.ReadUInt16LittleEndian(good.AsSpan((root * 4096) + 16 + (2 * index))))
            .ToArray();
        AssertRefused("is used twice", With(good, places[0], BitConverter.GetBytes(root)));
        AssertRefused("is used twice", With(good, places[1], good[places[0]..(places[0] + 4)]));
        AssertRefused("is beyond its end", With(good, places[0], [255, 255, 255, 255, 255, 255]));
        AssertRefused("has the wrong type", With(good, places[0], [0, 0, 0, 0]));
    }

    [Fact]
    public async Task Meta_that_cannot_be_is_refused()
    {
        var good = await PostmapAsync(RandomPairs(new Random(1), 1_000));
        var newer = good.Length - Newer(good).Length;
        AssertRefused("big-endian or 32-bit machine", With(good, 16, [0xBE, 0xEF, 0xC0, 0xDE]));
        AssertRefused("big-endian or 32-bit machine", With(good, 12, [.. good[16..140]]));
        AssertRefused("version 2 of LMDB's files is not supported", With(good, 20, [2]));
        AssertRefused("version 999 of LMDB's files is not supported", With(good, 20, [231, 3]));
        AssertRefused("a meta page that is not valid", With(good, 4096 + 16, [0]));
        AssertRefused("pages of 4097 bytes", With(good, PageSizeAt, [1]));
        AssertRefused("a tree of 33 levels", With(good, newer + DepthAt, [33]));
        AssertRefused("has the wrong type", With(good, newer + DepthAt, [1]));
        AssertRefused("it contains 1000 entries instead of 1001", With(good, newer + EntriesAt, BitConverter.GetBytes(1001)));
        AssertRefused("not an LMDB file", new byte[8192]);
        AssertRefused("not an LMDB file", Encoding.ASCII.GetBytes(new string('x', 8192)));
    }

    [Fact]
    public async Task Snapshot_is_of_one_commit_when_the_file_changes_between_its_reads()
    {
        var states = new List<(Dictionary<string, string> Pairs, byte[] File)>();
        for (var seed = 1; seed <= 4; seed++)
        {
            var pairs = RandomPairs(new Random(seed), 800);
            states.Add((pairs, await PostmapAsync(pairs)));
        }

        // The metas of a commit whose pages are written over by what comes three commits after it: what a reader without a second look
        // would have.
        var (first, last) = (states[0], states[^1]);
        byte[] torn = [.. first.File[..8192], .. last.File[8192..]];
        Assert.NotEqual(first.Pairs, Attempt(torn));

        using var changing = new ChangingFile(last.File.Length, read => read < 2 ? first.File : last.File);
        AssertSame(last.Pairs, LmdbFile.Read(LmdbSnapshot.Take(changing, int.MaxValue)!), "after the change");
        Assert.Equal(10, changing.Reads);   // twice: the two metas, the whole, the two metas
    }

    [Fact]
    public async Task File_that_changes_at_each_read_is_given_up()
    {
        var first = await PostmapAsync(RandomPairs(new Random(1), 50));
        var second = await PostmapAsync(RandomPairs(new Random(2), 50));
        Array.Resize(ref first, second.Length);
        using var changing = new ChangingFile(second.Length, read => read % 5 < 3 ? first : second);
        Assert.Contains(
            "changed during each of 5 attempts",
            Assert.Throws<InvalidDataException>(() => LmdbSnapshot.Take(changing, int.MaxValue)).Message,
            StringComparison.Ordinal);
        Assert.Equal(5 * LmdbSnapshot.Tries, changing.Reads);
    }

    [Fact]
    public async Task Snapshot_of_what_is_no_LMDB_file_is_none_and_one_of_too_much_is_refused()
    {
        using var text = new MemoryStream(Encoding.ASCII.GetBytes("192.0.2.1 OK\n"));
        Assert.Null(LmdbSnapshot.Take(text, 1));
        using var file = new MemoryStream(await PostmapAsync(RandomPairs(new Random(1), 50)));
        Assert.Contains(
            "is larger than",
            Assert.Throws<InvalidDataException>(() => LmdbSnapshot.Take(file, file.Length - 1)).Message,
            StringComparison.Ordinal);
        Assert.NotNull(LmdbSnapshot.Take(file, file.Length));
    }

    [Fact]
    public async Task Map_that_postmap_rewrites_meanwhile_is_read_as_one_of_its_writings()
    {
        var keys = RandomPairs(new Random(1), 3_000).Keys.ToList();
        Task<string> WriteAsync(int version) =>
            _maker.PostmapAsync("lmdb", Encoding.ASCII.GetBytes(string.Concat(keys.Select(key => $"{key} version-{version}\n"))));
        await WriteAsync(0);
        async Task WriteAllAsync()
        {
            for (var version = 1; version <= 8; version++)
            {
                await WriteAsync(version);
            }
        }

        var writing = WriteAllAsync();

        // The writer sets the pace; what is seen of it is the machine's affair, that it is whole is not.
        var versions = new HashSet<string>();
        for (var last = false; !last;)
        {
            last = writing.IsCompleted;
            using var file = new FileStream(_maker.Folder["map.lmdb"], FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
            var read = LmdbFile.Read(LmdbSnapshot.Take(file, int.MaxValue)!);
            Assert.True(
                read.Count == keys.Count && read.Values.Distinct().Count() == 1,
                $"{read.Count} entries of {string.Join(", ", read.Values.Distinct())}");
            versions.UnionWith(read.Values);
        }

        await writing;
        Assert.Contains("version-8", versions);
    }

    private static void AssertRefused(string why, byte[] file) =>
        Assert.Contains(why, Assert.Throws<InvalidDataException>(() => LmdbFile.Read(file)).Message, StringComparison.Ordinal);

    private static void AssertSame(Dictionary<string, string> expected, Dictionary<string, string> read, string what) =>
        Assert.True(
            expected.Count == read.Count && expected.All(pair => read.TryGetValue(pair.Key, out var value) && value == pair.Value),
            $"{what}: {read.Count} of {expected.Count} pairs");

    private static Dictionary<string, string>? Attempt(byte[] file)
    {
        try
        {
            return LmdbFile.Read(file);
        }
        catch (InvalidDataException)
        {
            return null;
        }
    }

    private static byte[] Newer(byte[] file) =>
        BitConverter.ToUInt64(file, TransactionAt) > BitConverter.ToUInt64(file, 4096 + TransactionAt) ? file : file[4096..];

    private static byte[] With(byte[] file, int place, byte[] bytes)
    {
        var changed = file.ToArray();
        bytes.CopyTo(changed, place);
        return changed;
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

    private async Task<byte[]> PostmapAsync(Dictionary<string, string> pairs) =>
        await File.ReadAllBytesAsync(
            await _maker.PostmapAsync("lmdb", Encoding.Latin1.GetBytes(string.Concat(pairs.Select(pair => $"{pair.Key} {pair.Value}\n")))));

    /// <summary>A file that is another one at each of its reads, as one that is written to meanwhile.</summary>
    private sealed class ChangingFile(int length, Func<int, byte[]> content) : MemoryStream(new byte[length])
    {
        public int Reads { get; private set; }

        public override int Read(Span<byte> buffer)
        {
            var now = content(Reads++).AsSpan();
            var part = now[Math.Min((int)Position, now.Length)..];
            part = part[..Math.Min(part.Length, buffer.Length)];
            part.CopyTo(buffer);
            Position += part.Length;
            return part.Length;
        }
    }
}
