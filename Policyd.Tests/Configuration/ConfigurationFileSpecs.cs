using Policyd.Configuration;
using Policyd.Configuration.Hocon;
using Policyd.Configuration.Tree;
using Policyd.Tests.Support;
using Xunit;

namespace Policyd.Tests.Configuration;

public sealed class ConfigurationFileSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("x.conf", "a=1\n<VirtualHost 1>\n", ConfigFormat.Mtpolicyd)]
    [InlineData("x.conf", "# <Plugin>\npolicyd { }", ConfigFormat.Hocon)]
    [InlineData("x.conf", "host = a\npolicyd\n{\n<", ConfigFormat.Hocon)]
    [InlineData("x.conf", "regex = \"^a{2}\"\n<Plugin a>\n", ConfigFormat.Mtpolicyd)]
    [InlineData("x.hocon", "<Plugin a>", ConfigFormat.Hocon)]
    [InlineData("x", "<<include y>>", ConfigFormat.Mtpolicyd)]
    [InlineData("x", "policyd.listen = []", ConfigFormat.Hocon)]
    [InlineData("x.conf", "", ConfigFormat.Hocon)]
    public void Format_follows_the_first_line_that_tells(string name, string text, ConfigFormat expected) =>
        Assert.Equal(expected, ConfigurationFile.Read(_folder.Write(name, text)).Format);

    [Fact]
    public void Absent_file_and_folder_are_an_error()
    {
        var absent = Path.Combine(_folder.Path, "nope.conf");
        Assert.Equal([absent + ": this file does not exist"], ConfigurationFile.Read(absent).Errors());
        Assert.Equal([_folder.Path + ": this file is a folder; a file is required"], ConfigurationFile.Read(_folder.Path).Errors());
    }

    [Fact]
    public void Unreadable_file_is_an_error()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("file modes are a matter of Unix");
            return;
        }

        if (Environment.UserName == "root")
        {
            Assert.Skip("root may read every file");
        }

        var path = _folder.Write("x.conf", "");
        File.SetUnixFileMode(path, UnixFileMode.None);
        Assert.Contains("cannot be read by the user ", Assert.Single(ConfigurationFile.Read(path).Errors()));
    }

    [Theory]
    [InlineData(new byte[] { (byte)'a', (byte)'\n', 0xC3, 0xA9, 0xFF }, ":2:2: byte 0xff is not valid UTF-8; save the file as UTF-8")]
    [InlineData(new byte[] { (byte)'a', 0 }, ":1:2: found a NUL byte: this is not a UTF-8 text file")]
    public void Binary_file_is_an_error_at_its_first_bad_byte(byte[] content, string expected)
    {
        var path = Path.Combine(_folder.Path, "bad.conf");
        File.WriteAllBytes(path, content);
        Assert.Equal([path + expected], ConfigurationFile.Read(path).Errors());
    }

    [Fact]
    public void Byte_order_mark_is_skipped_and_endless_file_refused()
    {
        var path = Path.Combine(_folder.Path, "bom.conf");
        File.WriteAllBytes(path, [0xEF, 0xBB, 0xBF, (byte)'a', (byte)'=', (byte)'1']);
        Assert.Equal("""{"a":1}""", ConfigurationFile.Read(path).Json());
        if (File.Exists("/dev/urandom"))
        {
            Assert.Contains("larger than", Assert.Single(ConfigurationFile.Read("/dev/urandom").Errors()));
        }
    }

    [Fact]
    public void Control_characters_of_a_file_do_not_reach_a_message()
    {
        var errors = HoconReader.Read("\u001b[31m = }").Errors();
        Assert.NotEmpty(errors);
        Assert.DoesNotContain(errors, error => error.Any(char.IsControl));
    }
}
