using Policyd.Tests.Support;

namespace Policyd.Tests.LookupFiles;

/// <summary>Makes lookup files with the programs that make them in life: postmap, and Perl's Berkeley DB as SpamAssassin uses it.</summary>
internal sealed class LookupFileMaker : IDisposable
{
    public TemporaryFolder Folder { get; } = new();

    /// <summary>The file that postmap makes of a text. One of type lmdb that is there already is rewritten in place.</summary>
    public async Task<string> PostmapAsync(string type, byte[] text, params string[] options)
    {
        Folder.Write("etc/main.cf", "compatibility_level = 3.6\n");
        var map = Folder["map"];
        await File.WriteAllBytesAsync(map, text);
        await RunPostmapAsync(type, "", options);
        return map + (type == "lmdb" ? ".lmdb" : ".db");
    }

    /// <summary>Runs postmap on the map that was made last, and gives what it printed.</summary>
    public async Task<string> RunPostmapAsync(string type, string input, params string[] options)
    {
        await using var postmap = ProcessUnderTest.Start(
            Needs.Program("postmap"), ["-c", Folder["etc"], .. options, $"{type}:{Folder["map"]}"]);
        await postmap.Input.WriteAsync(input);
        postmap.Input.Close();
        var code = await postmap.Exits();
        var output = string.Join('\n', postmap.Lines);
        if (output.Contains("unsupported dictionary type", StringComparison.Ordinal))
        {
            Needs.Missing<object>($"Postfix's maps of type {type} are not installed");
        }

        Assert.True(code == 0 || options.Contains("-q"), output);   // with 1 it says that nothing is found
        return output;
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
