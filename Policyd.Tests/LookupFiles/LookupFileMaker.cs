using Policyd.Tests.Support;

namespace Policyd.Tests.LookupFiles;

/// <summary>Makes lookup files with the programs that make them in life: postmap, and Perl's Berkeley DB as SpamAssassin uses it.</summary>
internal sealed class LookupFileMaker : IDisposable
{
    public TemporaryFolder Folder { get; } = new();

    /// <summary>The file that postmap makes of a text.</summary>
    public async Task<string> PostmapAsync(string type, byte[] text)
    {
        var postmap = Needs.Program("postmap");
        Folder.Write("etc/main.cf", "compatibility_level = 3.6\n");
        var map = Folder["map"];
        await File.WriteAllBytesAsync(map, text);
        var (code, output) = await ProcessUnderTest.Run(postmap, "-c", Folder["etc"], $"{type}:{map}");
        Assert.True(code == 0, output);
        return map + ".db";
    }

    /// <summary>The file that a script writes through the hash <c>%db</c>.</summary>
    /// <param name="info">Perl for the kind of file, such as <c>DB_File::HASHINFO->new</c>; <c>$info</c> afterwards.</param>
    /// <param name="script">What is done with <c>$info</c> before the file is opened, and with <c>%db</c> after.</param>
    public async Task<string> PerlAsync(string info, (string Before, string After) script)
    {
        var file = Folder["perl.db"];
        var (code, output) = await ProcessUnderTest.Run(Needs.Program("perl"), "-MDB_File", "-MFcntl", "-e", $$"""
            my $info = {{info}}; {{script.Before}}
            tie my %db, 'DB_File', '{{file}}', O_RDWR|O_CREAT, 0644, $info or die "$!";
            {{script.After}}
            untie %db;
            """);
        if (code != 0 && output.Contains("Can't locate DB_File", StringComparison.Ordinal))
        {
            Needs.Missing<object>("Perl's DB_File is not installed");
        }

        Assert.True(code == 0, output);
        return file;
    }

    public void Dispose() => Folder.Dispose();
}
