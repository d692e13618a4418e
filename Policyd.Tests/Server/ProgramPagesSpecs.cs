using Policyd.Server.Hosting;

namespace Policyd.Tests.Server;

/// <summary>Which mappings of the process are unchanged pages of assemblies.</summary>
public sealed class ProgramPagesSpecs
{
    [Fact]
    public void Code_and_metadata_of_assemblies_are_found_and_what_may_differ_from_the_file_is_not()
    {
        var found = ProgramPages.Mappings("""
            7f6a10000000-7f6a10f42000 r--s 00000000 08:01 1835      /opt/with a space/System.Private.CoreLib.dll
            Size:              15624 kB
            Anonymous:             0 kB
            VmFlags: rd mr me ms
            7f6a20000000-7f6a20001000 r-xp 00000000 08:01 1836      /opt/policyd/policyd.dll
            Rss:                   4 kB
            Anonymous:             0 kB
            7f6a30000000-7f6a30001000 r-xp 00000000 08:01 1837      /opt/policyd/Changed.dll
            Anonymous:             4 kB
            7f6a40000000-7f6a40001000 rw-p 00001000 08:01 1836      /opt/policyd/policyd.dll
            Anonymous:             0 kB
            7f6a50000000-7f6a50001000 r--s 00000000 08:01 1840      /var/lib/lists/allowed.lmdb
            Anonymous:             0 kB
            7f6a60000000-7f6a60001000 r-xp 00000000 08:01 1836      /opt/policyd/policyd.dll (deleted)
            Anonymous:             0 kB
            7f6a70000000-7f6a70001000 r--s 00000000 00:00 0
            Anonymous:             0 kB
            here-there r--s 00000000 08:01 1836 /opt/policyd/policyd.dll
            Anonymous:             0 kB

            7f6a80000000-7f6a80001000 r-xp 00000000 08:01 1841      /opt/policyd/Cut.dll
            """u8);
        Assert.Equal(
            [
                (new ProgramPages.MappedRange(unchecked((nuint)0x7f6a10000000), 0xf42000), "System.Private.CoreLib.dll"),
                (new ProgramPages.MappedRange(unchecked((nuint)0x7f6a20000000), 0x1000), "policyd.dll"),
            ],
            found);
    }

    [Theory]
    [InlineData("/proc/none/smaps")]
    [InlineData("/proc")]
    public void Process_whose_mappings_cannot_be_read_keeps_its_pages(string smaps) =>
        Assert.Null(Record.Exception(new ProgramPages(smaps).GiveBack));
}
