namespace Policyd.Tests.Support;

/// <summary>A file system with little room, to fill. Where there is no root, or it may not be mounted, the test is skipped.</summary>
internal sealed class SmallDisk : IAsyncDisposable
{
    private SmallDisk(string folder) => Folder = folder;

    public string Folder { get; }

    /// <summary>Mounts it.</summary>
    /// <param name="folder">Where; it is made.</param>
    /// <param name="size">Its room, as mount takes it: 64m.</param>
    public static async Task<SmallDisk> MountAsync(string folder, string size)
    {
        Needs.Root();
        Directory.CreateDirectory(folder);
        var (code, text) = await ProcessUnderTest.Run(Needs.Program("mount"), "-t", "tmpfs", "-o", $"size={size}", "tmpfs", folder);
        if (code != 0)
        {
            Needs.Missing<object>($"no small disk can be mounted: {text}");
        }

        return new SmallDisk(folder);
    }

    public async ValueTask DisposeAsync() => await ProcessUnderTest.Run(Needs.Program("umount"), "-l", Folder);
}
