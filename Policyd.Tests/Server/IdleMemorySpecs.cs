using System.Globalization;
using Policyd.Tests.Support;

namespace Policyd.Tests.Server;

/// <summary>A server that nobody asks keeps no memory that only its start needed.</summary>
[ServerTest]
public sealed class IdleMemorySpecs : IDisposable
{
    private const int MebibyteInKibibytes = 1024;

    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Pages_of_assemblies_are_not_resident_after_the_start_and_come_again_when_they_are_needed()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "the mappings of a process are read from /proc");
        var configuration = _folder.Write("policyd.hocon", $$"""
            policyd { listen = ["127.0.0.1:{{_port}}"], virtual_hosts = [ { name = all, port = {{_port}}, plugins = [
              { name = c, module = Condition, key = helo_name, re_match = "^x", action = "reject no" } ] } ] }
            """);
        await using var server = await PolicydProcess.Serve(configuration, _port);
        var resident = 0L;
        await Eventually.Settles(
            () => string.Create(CultureInfo.InvariantCulture, $"less than 16 MiB of assemblies, instead of {resident} KiB"),
            () => Task.FromResult((resident = ResidentAssemblies(server.Id)) < 16 * MebibyteInKibibytes));

        var answer = await Command.RunAsync(
            "helo_name=xyz\nclient_address=192.0.2.1\n\n", "client", "-h", $"127.0.0.1:{_port}");
        Assert.Equal("reject no", answer.Output.Trim());
    }

    // KiB. A mapping's own line starts with its addresses, and the lines about it with a name and a colon.
    private static long ResidentAssemblies(int process)
    {
        var (resident, isAssembly) = (0L, false);
        foreach (var line in File.ReadLines($"/proc/{process}/smaps"))
        {
            var parts = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (!parts[0].EndsWith(':'))
            {
                isAssembly = parts[1] is "r--s" or "r-xp" && line.EndsWith(".dll", StringComparison.Ordinal);
            }
            else if (isAssembly && parts[0] == "Rss:")
            {
                resident += long.Parse(parts[1], CultureInfo.InvariantCulture);
            }
        }

        return resident;
    }
}
