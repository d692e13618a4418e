using Policyd.Actors.Clustering;
using Policyd.Tests.Support;

namespace Policyd.Tests.Clustering;

/// <summary>A node that is refused again and again begins anew less and less often.</summary>
public sealed class NodeLifeSpecs
{
    private static readonly TimeSpan s_short = TimeSpan.FromSeconds(5);

    [Fact]
    public void Pause_grows_with_each_short_life_up_to_half_a_minute()
    {
        var pauses = new List<double>();
        for (var life = new NodeLife(0); pauses.Count < 9; life = life.Next(s_short + life.Pause))
        {
            pauses.Add(life.Pause.TotalSeconds);
        }

        Assert.Equal([0, 0.5, 1, 2, 4, 8, 16, 30, 30], pauses);
        Assert.Equal(30, new NodeLife(int.MaxValue).Pause.TotalSeconds);
    }

    [Fact]
    public void Life_that_is_long_beside_its_pause_ends_the_pauses()
    {
        var life = new NodeLife(7);
        Assert.Equal(new NodeLife(8), life.Next(TimeSpan.FromSeconds(89)));
        Assert.Equal(new NodeLife(0), life.Next(TimeSpan.FromSeconds(91)));
    }

    // Files are edited and renewed while a node runs. It must not end for good because its cluster removed it just then.
    [Fact, ServerTest]
    public async Task Node_that_begins_anew_waits_for_a_configuration_that_is_right()
    {
        using var folder = new TemporaryFolder();
        var port = FreePort.Next();
        var good = $$"""
            policyd { listen = "127.0.0.1:{{port}}", cron { enabled = off }
              virtual_hosts = [ { name = v, port = {{port}}, plugins = [] } ] }
            """;
        var file = folder.Write("policyd.hocon", good[..^20]);
        var environment = new Dictionary<string, string> { [NodeLife.Variable] = "0", ["STATE_DIRECTORY"] = folder.Path };
        await using (var stopped = ProcessUnderTest.Start(PolicydProcess.Executable, ["serve", "-c", file], environment))
        {
            await stopped.Prints("cannot begin anew until its configuration is right");
            stopped.Terminate();
            Assert.Equal(0, await stopped.Exits());
        }

        File.Delete(file);
        await using var node = ProcessUnderTest.Start(PolicydProcess.Executable, ["serve", "-c", file], environment);
        await node.Prints("cannot begin anew until its configuration is right");
        File.WriteAllText(file, good);
        node.HangUp();
        await PolicydProcess.Listens(node, port);
    }

    [Theory]
    [InlineData("3", 3)]
    [InlineData(null, 0)]
    [InlineData("", 0)]
    [InlineData("-1", 0)]
    [InlineData("many", 0)]
    public void Number_of_short_lives_is_read_from_the_environment(string? value, int expected) =>
        Assert.Equal(new NodeLife(expected), NodeLife.Of(value));
}
