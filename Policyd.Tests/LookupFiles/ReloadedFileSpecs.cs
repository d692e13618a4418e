using Policyd.Backends.LookupFiles;
using Policyd.Plugins.LookupFiles;
using Policyd.Tests.Support;

namespace Policyd.Tests.LookupFiles;

public sealed class ReloadedFileSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(0, "new")]
    [InlineData(60, "old")]   // a time so long ago is not given again
    public void File_written_again_within_the_tick_of_its_time_is_read_again(int secondsAgo, string expected)
    {
        var clock = new FixedClock();
        var written = clock.GetUtcNow().UtcDateTime.AddSeconds(-secondsAgo);
        var path = _folder.Write("file", "old");
        File.SetLastWriteTimeUtc(path, written);
        var file = new ReloadedFile<string>(path, File.ReadAllText, TimeSpan.FromDays(1), clock, _ => { });
        file.Load();

        File.WriteAllText(path, "new");
        File.SetLastWriteTimeUtc(path, written);
        file.Load();
        Assert.Equal(expected, file.Current);   // asked only now: it may look for itself
    }

    [Fact]
    public void File_behind_a_link_is_the_one_whose_changes_are_seen()
    {
        var path = _folder.Write("file", "a text longer than its path is, and read through a link");
        var link = _folder["link"];
        File.CreateSymbolicLink(link, path);
        Assert.Equal(FileVersion.Of(path), FileVersion.Of(link));

        File.WriteAllText(path, "another");
        Assert.Equal(FileVersion.Of(path), FileVersion.Of(link));

        File.Delete(path);
        Assert.Equal(-1, FileVersion.Of(link).Length);
        File.CreateSymbolicLink(path, link);
        Assert.Equal(-1, FileVersion.Of(link).Length);   // a link to itself
    }

    private sealed class FixedClock : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);
    }
}
