using System.Net.Sockets;
using Policyd.Configuration.Sources;
using Policyd.Tests.Support;

namespace Policyd.Tests.Configuration;

public sealed class RegularFileSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_is_no_file_is_named_and_links_are_followed()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "only Linux is asked");
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(_folder["s"]));
        File.CreateSymbolicLink(_folder["link"], "/dev/zero");
        Assert.Equal("it is a folder, not a file", RegularFile.Problem(_folder.Path));
        Assert.Equal("it is a device, not a file", RegularFile.Problem("/dev/zero"));
        Assert.Equal("it is a device, not a file", RegularFile.Problem(_folder["link"]));
        Assert.Equal("it is a socket, not a file", RegularFile.Problem(_folder["s"]));
        Assert.Equal("it is a folder, not a file", Assert.Throws<IOException>(() => RegularFile.Demand(_folder.Path)).Message);
        Assert.False(RegularFile.IsInTheWayOfSocket(_folder["s"]));
        Assert.True(RegularFile.IsInTheWayOfSocket(_folder.Path));
    }

    [Fact]
    public void File_and_what_is_not_there_and_the_null_device_are_let_through()
    {
        Assert.Null(RegularFile.Problem(_folder.Write("ö.txt", "x")));
        Assert.Null(RegularFile.Problem(_folder["none"]));
        Assert.Null(RegularFile.Problem("/dev/null"));
        Assert.True(RegularFile.IsInTheWayOfSocket(_folder["ö.txt"]));
        Assert.False(RegularFile.IsInTheWayOfSocket(_folder["none"]));
    }
}
