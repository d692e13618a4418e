using Policyd.Server.Loading;
using Policyd.Tests.Support;

namespace Policyd.Tests.Loading;

/// <summary>A time zone that .NET does not know is told: without a word it would be UTC.</summary>
public sealed class TimeZoneCheckSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("", true)]
    [InlineData("UTC", true)]
    [InlineData("UTC0", true)]
    [InlineData(":UTC", true)]
    [InlineData("CET-1CEST", false)]
    [InlineData("<+0330>-3:30", false)]
    [InlineData("No/Where", false)]
    [InlineData("/none/where", false)]
    public void Zone_is_known_by_name(string zone, bool isKnown) => Assert.Equal(isKnown, TimeZoneCheck.IsKnown(zone));

    [Fact]
    [ServerTest]
    public async Task Start_tells_of_a_zone_that_is_not_known()
    {
        await File.WriteAllTextAsync(
            _folder["policyd.hocon"],
            $"policyd {{ listen = [\"127.0.0.1:{_port}\"], virtual_hosts = [ "
                + $"{{ name = x, port = {_port}, plugins = [ {{ module = AddScoreHeader }} ] }} ] }}",
            TestContext.Current.CancellationToken);
        await using var server = ProcessUnderTest.Start(
            PolicydProcess.Executable,
            ["serve", "-c", _folder["policyd.hocon"]],
            new Dictionary<string, string> { ["STATE_DIRECTORY"] = _folder.Path, ["TZ"] = "CET-1CEST" });
        await Eventually.Holds("a warning of the zone", () => server.Lines.Any(static line =>
            line.Contains("warning: TZ=CET-1CEST is no time zone that is known here", StringComparison.Ordinal)));
    }
}
