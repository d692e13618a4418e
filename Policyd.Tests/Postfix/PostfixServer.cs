using Policyd.Bench.Servers;
using Policyd.Tests.Support;

namespace Policyd.Tests.Postfix;

/// <summary>
/// A real Postfix with a configuration, a queue and ports of its own. Each entry of <c>smtpd</c> is one more smtpd service with its own
/// parameters; accepted mail goes to an SMTP sink. Needs root, since Postfix's master does.
/// </summary>
internal sealed class PostfixServer : IAsyncDisposable
{
    private readonly TemporaryFolder _folder;
    private readonly PostfixConfiguration _configuration;
    private readonly string _postfix;

    private PostfixServer(TemporaryFolder folder, PostfixConfiguration configuration, string postfix)
    {
        _folder = folder;
        _configuration = configuration;
        _postfix = postfix;
    }

    /// <summary>What Postfix has logged so far.</summary>
    public string Log => File.Exists(_configuration.LogFile) ? File.ReadAllText(_configuration.LogFile) : string.Empty;

    public static async Task<PostfixServer> Start(int sinkPort, IReadOnlyDictionary<int, string[]> smtpd)
    {
        var postfix = Needs.Program("postfix");
        Needs.Root();
        var folder = new TemporaryFolder();
        var configuration = new PostfixConfiguration(folder.Path, $"smtp:[127.0.0.1]:{sinkPort}");
        var server = new PostfixServer(folder, configuration, postfix);
        configuration.Write(smtpd);
        var (code, text) = await ProcessUnderTest.Run(Needs.Program("chown"), "postfix", configuration.Data);
        Assert.True(code == 0, text);

        // "postfix start" makes the queue's folders by itself, in a script that leaves its daemon behind.
        (code, text) = await ProcessUnderTest.Run(postfix, "-c", configuration.Etc, "start");
        Assert.True(code == 0, $"postfix start ended with {code}: {text}\n{server.Log}");
        try
        {
            foreach (var port in smtpd.Keys)
            {
                await Eventually.Settles(
                    () => $"smtpd to listen on {port}; its log:\n{server.Log}", () => Task.FromResult(FreePort.Answers(port)));
            }
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }

        return server;
    }

    public async ValueTask DisposeAsync()
    {
        await ProcessUnderTest.Run(_postfix, "-c", _configuration.Etc, "abort");
        await Eventually.Holds(
            "Postfix's master to be gone",
            async () => (await ProcessUnderTest.Run(_postfix, "-c", _configuration.Etc, "status")).ExitCode != 0);
        _folder.Dispose();
    }
}
