using System.Globalization;
using Policyd.Counting.Spool;
using Policyd.Plugins.Counters;
using Policyd.Tests.Support;

namespace Policyd.Tests.Counters;

/// <summary>The spool file: its bytes, groups that are cut short at every byte, and what a later life of the server finds.</summary>
public sealed class SpoolFileSpecs(ITestOutputHelper output) : IDisposable
{
    private static readonly SpoolHeader s_header = new(new Guid("00112233-4455-6677-8899-aabbccddeeff"), "db", "sqlite counters.db");
    private readonly TemporaryFolder _temporary = new();

    private SpoolFolder Folder => new(_temporary["spool"], 1024 * 1024);

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void Bytes_of_the_first_version_are_these()
    {
        using (var file = new SpoolFile(Folder, s_header))
        {
            file.Append(
            [
                Entry(1, "a") with { Sequence = 7, RequestId = UInt128.MaxValue - 1 },
                new SpoolEntry(
                    2, 0, DateTimeOffset.FromUnixTimeMilliseconds(-1), "t", "ü", "", new(-1, 2, 3, long.MaxValue), true, null, 2),
            ]);
        }

        const string Expected =
            "706F6C696379642D73706F6F6C0001"
            + "0000002C" + "@" + "00112233445566778899AABBCCDDEEFF" + "000000026462" + "0000001273716C69746520636F756E746572732E6462"
            + "00000069" + "@" + "0000000000000001" + "0000000000000007" + "0000018BCFE56800" + "0000000000000001" + "0000000000000002"
            + "0000000000000003" + "0000000000000006" + "0201" + "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFE"
            + "0000000B616363745F73656E646572" + "0000000161" + "00000007323032362D3131"
            + "00000059" + "@" + "0000000000000002" + "0000000000000000" + "FFFFFFFFFFFFFFFF" + "FFFFFFFFFFFFFFFF" + "0000000000000002"
            + "0000000000000003" + "7FFFFFFFFFFFFFFF" + "0102" + "00000000000000000000000000000000"
            + "0000000174" + "00000002C3BC" + "00000000";
        var bytes = ReadFile(out _);
        Assert.Equal(Expected.Replace("@", "", StringComparison.Ordinal), Convert.ToHexString(WithoutSums(bytes)));
        Assert.Equal([0xB2E6D141U, 0x9139F89FU, 0xBFF63A57U], Sums(bytes));
    }

    [Fact]
    public void Entry_is_read_as_it_was_written()
    {
        SpoolEntry[] entries =
        [
            Entry(1, "someone@example.org"),
            Entry(2, "") with { RequestId = 5, Sequence = long.MaxValue, IdFormat = 255 },
            Entry(9, "\0grüße 😀") with
            {
                IsAbsolute = true,
                Amounts = new(long.MinValue, 0, -1, long.MaxValue),
                Time = "w3600:0000000001",
            },
        ];
        Write(entries);

        using var former = Assert.Single(Taken());
        Assert.Equal(s_header, former.Header);
        Assert.Equal(entries, former.Entries());
        Assert.Equal(entries, former.Entries());
        Assert.Equal([long.MaxValue], former.Sequences);
        Assert.Equal(0, former.CutBytes);
    }

    [Fact]
    public void Group_that_is_cut_short_at_any_byte_leaves_the_whole_entries_before()
    {
        SpoolEntry[] entries = [Entry(1, "a"), Entry(2, "b") with { RequestId = 1 }];
        Write(entries);
        var bytes = ReadFile(out var path);
        var ends = Ends(bytes);
        for (var length = 0; length < bytes.Length; length++)
        {
            File.WriteAllBytes(path, bytes[..length]);
            var whole = ends.Count(end => end <= length) - 1;
            using var former = Taken().SingleOrDefault();
            Assert.Equal(whole > 0, former is not null);
            Assert.Equal(entries.Take(Math.Max(0, whole)), former?.Entries() ?? []);
            Assert.Equal(former is null ? 0 : length - ends.Last(end => end <= length), former?.CutBytes ?? 0);
            Assert.Equal(whole > 0, File.Exists(path));
        }
    }

    [Fact]
    public void Any_changed_byte_ends_the_file_there()
    {
        SpoolEntry[] entries = [Entry(1, "a"), Entry(2, "b"), Entry(3, "c")];
        Write(entries);
        var bytes = ReadFile(out var path);
        var ends = Ends(bytes);
        for (var at = 0; at < bytes.Length; at++)
        {
            foreach (var change in new byte[] { 1, 0x80, 0xff })
            {
                var damaged = (byte[])bytes.Clone();
                damaged[at] ^= change;
                var reader = new SpoolReader(new MemoryStream(damaged));
                Assert.Equal(entries.Take(Math.Max(0, ends.Count(end => end <= at) - 1)), reader.Entries());
            }
        }
    }

    [Fact]
    public void File_without_entries_is_deleted_by_the_next_life()
    {
        using (var file = new SpoolFile(Folder, s_header))
        {
            file.Append([Entry(1, "a")]);
            file.Empty();
        }

        Assert.Single(Directory.GetFiles(Folder.Path));
        Assert.Empty(Taken());
        Assert.Empty(Directory.GetFiles(Folder.Path));
    }

    [Fact]
    public void File_and_folder_are_closed_to_others()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "no modes");
        Write(Entry(1, "a"));
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Directory.GetFiles(Folder.Path).Single()));
            Assert.Equal(
                UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(Folder.Path));
        }
    }

    [Fact]
    public void Full_spool_takes_nothing_of_the_group_and_takes_again_when_it_is_emptied()
    {
        using var file = new SpoolFile(new SpoolFolder(_temporary["spool"], 600), s_header);
        file.Append([Entry(1, "a")]);
        var length = file.Length;
        var full = Assert.Throws<SpoolException>(() => file.Append([.. Enumerable.Range(2, 5).Select(n => Entry(n, "b"))]));
        Assert.Contains("is full: it may have 600 bytes (max_size)", full.Message, StringComparison.Ordinal);
        Assert.Equal(length, file.Length);
        file.Empty();
        file.Append([Entry(7, "c"), Entry(8, "c")]);
        file.Dispose();

        using var former = Assert.Single(Taken());
        Assert.Equal([7, 8], former.Entries().Select(static entry => entry.Number));
    }

    [Fact]
    public void Files_that_are_left_behind_count_for_the_bound()
    {
        Write([.. Enumerable.Range(1, 4).Select(static n => Entry(n, "a"))]);
        using var file = new SpoolFile(new SpoolFolder(_temporary["spool"], 800), s_header with { Node = Guid.NewGuid() });
        file.Append([Entry(1, "a")]);
        Assert.Throws<SpoolException>(() => file.Append([Entry(2, "a"), Entry(3, "a")]));
        Assert.Single(Taken()).Done("acct_sender");
        file.Append([Entry(2, "a"), Entry(3, "a")]);
    }

    [Fact]
    public void Folder_that_cannot_be_made_is_said_and_nothing_is_taken()
    {
        File.WriteAllText(_temporary["spool"], "a file");
        Assert.NotNull(Folder.WhyNotWritable());
        using var file = new SpoolFile(Folder, s_header);
        Assert.Contains(Folder.Path, Assert.Throws<SpoolException>(() => file.Append([Entry(1, "a")])).Message, StringComparison.Ordinal);
        File.Delete(_temporary["spool"]);
        Assert.Null(Folder.WhyNotWritable());
        file.Append([Entry(1, "a")]);
    }

    [Fact]
    public void File_of_something_else_or_of_a_newer_server_stays_and_is_told()
    {
        Folder.Create();
        File.WriteAllText(Path.Combine(Folder.Path, "x.spool"), "something else");
        File.WriteAllBytes(Path.Combine(Folder.Path, "y.spool"), [.. SpoolFormat.Magic, 2, .. new byte[40]]);
        var unreadable = new List<string>();
        Assert.Empty(Folder.TakeFormer(static _ => true, unreadable));
        Assert.Equal(["x.spool", "y.spool"], unreadable.Select(Path.GetFileName).Order());
        Assert.Equal(2, Directory.GetFiles(Folder.Path).Length);
    }

    [Fact]
    public void File_of_a_living_writer_is_never_taken()
    {
        using var living = new SpoolFile(Folder, s_header);
        living.Append([Entry(1, "a")]);
        Assert.Empty(Taken());
        living.Append([Entry(2, "a")]);
        living.Dispose();

        using var former = Assert.Single(Taken());
        Assert.Empty(Taken());
        Assert.Equal(2, former.Entries().Count());
    }

    [Fact]
    [ServerTest]
    public async Task Lock_of_another_process_holds_until_it_is_killed()
    {
        Write(Entry(1, "a"));
        var path = Directory.GetFiles(Folder.Path).Single();
        using (var process = System.Diagnostics.Process.Start(Needs.Program("flock"), ["-x", "-F", path, "sleep", "600"]))
        {
            TestKinds.MayStart("flock");
            await Eventually.Holds("the other process holds the lock", () => !IsFree(path));
            Assert.Empty(Taken());
            process.Kill();
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        }

        using var former = Assert.Single(Taken());
    }

    /// <summary>
    /// Lives of a server one after the other: groups, emptied files, and ends in the middle of a write whose bytes reach the disk in part.
    /// The next life finds exactly what was answered and not emptied.
    /// </summary>
    [Fact]
    public void Random_lives_leave_exactly_what_was_answered()
    {
        var runs = int.Parse(Environment.GetEnvironmentVariable("POLICYD_RUNS") ?? "1", CultureInfo.InvariantCulture);
        for (var run = 0; run < runs; run++)
        {
            var seed = TestSeed.Next();
            output.WriteLine($"POLICYD_SEED={seed}");
            try
            {
                LiveAndDie(new Random(seed), _temporary[$"spool{run}"], $"seed {seed}");
            }
            catch (IOException exception)
            {
                throw new InvalidOperationException($"with POLICYD_SEED={seed}", exception);
            }
        }
    }

    private static void LiveAndDie(Random random, string path, string what)
    {
        for (var life = 0; life < 60; life++)
        {
            var number = 0;
            var answered = new List<SpoolEntry>();
            // A life that writes nothing makes no folder.
            Directory.CreateDirectory(path);
            var folder = new SpoolFolder(path, random.Next(300, 6000));
            var header = s_header with { Node = Guid.NewGuid() };
            using (var file = new SpoolFile(folder, header))
            {
                for (var step = random.Next(12); step > 0; step--)
                {
                    if (random.Next(5) == 0)
                    {
                        file.Empty();
                        answered.Clear();
                        continue;
                    }

                    var group = Enumerable.Range(0, random.Next(1, 6)).Select(_ => RandomEntry(random, ++number)).ToList();
                    try
                    {
                        file.Append(group);
                        answered.AddRange(group);
                    }
                    catch (SpoolException)
                    {
                        // Full: nothing of the group is in it.
                    }
                }
            }

            TearEnd(folder.PathOf(header.Node), random, number);
            var found = folder.TakeFormer(static _ => true, []).SelectMany(static former => former.Entries()).ToList();
            Assert.True(answered.SequenceEqual(found.Take(answered.Count)), $"{what}, life {life}: an entry is lost");
            Assert.All(found.Skip(answered.Count), entry => Assert.True(entry.Number > number, $"{what}, life {life}: {entry}"));
            Directory.Delete(folder.Path, recursive: true);
        }
    }

    // What a write leaves that was never synced: any part of it, and blocks of nothing.
    private static void TearEnd(string path, Random random, int number)
    {
        if (!File.Exists(path))
        {
            return;
        }

        var unsynced = new System.Buffers.ArrayBufferWriter<byte>();
        for (var more = random.Next(4); more > 0; more--)
        {
            SpoolFormat.WriteEntry(unsynced, RandomEntry(random, ++number));
        }

        var bytes = unsynced.WrittenSpan[..random.Next(unsynced.WrittenCount + 1)].ToArray();
        if (bytes.Length > 0 && random.Next(3) == 0)
        {
            bytes.AsSpan(random.Next(bytes.Length)).Clear();
        }

        using var stream = new FileStream(path, FileMode.Append);
        stream.Write(bytes);
    }

    private static SpoolEntry RandomEntry(Random random, int number) => Entry(number, new string('k', random.Next(40))) with
    {
        Sequence = random.Next(3),
        RequestId = random.Next(3) == 0 ? null : new UInt128((ulong)random.NextInt64(), (ulong)random.NextInt64()),
        Table = random.Next(2) == 0 ? "acct_sender" : "acct_client",
        IsAbsolute = random.Next(9) == 0,
    };

    private static SpoolEntry Entry(long number, string key) => new(
        number,
        0,
        DateTimeOffset.FromUnixTimeMilliseconds(1_700_000_000_000),
        "acct_sender",
        key,
        "2026-11",
        new CounterAmounts(1, 2, 3, 6),
        false,
        null,
        1);

    private static byte[] WithoutSums(byte[] bytes)
    {
        var rest = new List<byte>(bytes);
        foreach (var end in Starts(bytes).Reverse())
        {
            rest.RemoveRange(end + 4, 4);
        }

        return [.. rest];
    }

    private static uint[] Sums(byte[] bytes) =>
        [.. Starts(bytes).Select(start => System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(start + 4)))];

    private static IEnumerable<int> Starts(byte[] bytes) => Ends(bytes).SkipLast(1).Prepend(SpoolFormat.Magic.Length + 1);

    /// <summary>Where the head and each entry end.</summary>
    private static List<int> Ends(byte[] bytes)
    {
        var ends = new List<int>();
        for (var at = SpoolFormat.Magic.Length + 1; at < bytes.Length;)
        {
            at += SpoolFormat.FrameHead + System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan(at));
            ends.Add(at);
        }

        return ends;
    }

    private void Write(params SpoolEntry[] entries)
    {
        using var file = new SpoolFile(Folder, s_header);
        file.Append(entries);
    }

    private static bool IsFree(string path)
    {
        try
        {
            SpoolFolder.OpenLocked(path, FileMode.Open).Dispose();
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private byte[] ReadFile(out string path) => File.ReadAllBytes(path = Directory.GetFiles(Folder.Path).Single());

    private IReadOnlyList<FormerSpool> Taken() => Folder.TakeFormer(static _ => true, []);
}
