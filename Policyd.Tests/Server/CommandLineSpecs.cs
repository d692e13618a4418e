using Xunit;

namespace Policyd.Tests.Server;

public sealed class CommandLineSpecs : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("policyd-cli-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("--nonsense")]
    [InlineData("chekc", "-c", "x")]
    [InlineData("client", "-h", "nowhere")]
    [InlineData("client", "-h", "127.0.0.1:1", "-s", "/x")]
    [InlineData("convert")]
    [InlineData("check", "-c")]
    public async Task A_wrong_command_line_is_told_in_one_line_and_ends_with_64(params string[] arguments)
    {
        var result = await PolicydProcess.RunAsync("", arguments);
        Assert.Equal(64, result.ExitCode);
        AssertOneLine(result.Error);
        Assert.Equal("", result.Output);
    }

    [Theory]
    [InlineData("check", "-c")]
    [InlineData("convert")]
    public async Task A_missing_file_is_told_in_one_line_and_ends_with_66(params string[] arguments)
    {
        var missing = Path.Combine(_folder, "none.conf");
        var result = await PolicydProcess.RunAsync("", [.. arguments, missing]);
        Assert.Equal(66, result.ExitCode);
        Assert.Equal($"policyd: {missing}: no such file\n", result.Error);
        var folder = await PolicydProcess.RunAsync("", [.. arguments, _folder]);
        Assert.Equal((66, $"policyd: {_folder} is a directory, not a file\n"), (folder.ExitCode, folder.Error));
    }

    [Fact]
    public async Task Check_tells_a_syntax_error_with_its_place_and_ends_with_78()
    {
        var file = Path.Combine(_folder, "broken.hocon");
        await File.WriteAllTextAsync(file, "policyd {\n  listen = [\n}\n", TestContext.Current.CancellationToken);
        var result = await PolicydProcess.RunAsync("", "check", "-c", file);
        Assert.Equal(78, result.ExitCode);
        Assert.Matches($"^{System.Text.RegularExpressions.Regex.Escape(file)}:[0-9]+:[0-9]+: ", result.Error);
        Assert.DoesNotContain("   at ", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_configuration_beside_the_executable_has_no_error()
    {
        var result = await PolicydProcess.RunAsync("", "check", "-c", Path.Combine(AppContext.BaseDirectory, "config", "mtpolicyd.hocon"));
        Assert.Equal(("", 0), (result.Error, result.ExitCode));
    }

    [Theory]
    [InlineData("--help")]
    [InlineData("-h")]
    [InlineData("check", "--help")]
    [InlineData("client", "--help")]
    public async Task Help_has_examples_and_ends_with_0(params string[] arguments)
    {
        var result = await PolicydProcess.RunAsync("", arguments);
        Assert.Equal(("", 0), (result.Error, result.ExitCode));
        Assert.Contains("Examples:\n", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_version_is_printed()
    {
        var result = await PolicydProcess.RunAsync("", "--version");
        Assert.Equal(0, result.ExitCode);
        Assert.Matches(@"^\d+\.\d+\.\d+", result.Output);
    }

    private static void AssertOneLine(string error)
    {
        Assert.StartsWith("policyd: ", error, StringComparison.Ordinal);
        Assert.Single(error.TrimEnd('\n').Split('\n'));
        Assert.DoesNotContain("Exception", error, StringComparison.Ordinal);
    }
}
