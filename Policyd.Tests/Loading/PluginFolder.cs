using Policyd.Configuration;
using Policyd.Configuration.Hocon;
using Policyd.Configuration.Tree;
using Policyd.Engine.Building;
using Policyd.Engine.Model;
using Policyd.Plugins.Sessions;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Loading;

/// <summary>A folder of plugins, and models of servers that load them: a virtual host for each module.</summary>
internal sealed class PluginFolder : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public string Path => _folder.Path;

    public string this[string name] => _folder[name];

    public void Write(string name, byte[] bytes)
    {
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(_folder[name])!);
        File.WriteAllBytes(_folder[name], bytes);
    }

    /// <summary>The configuration.</summary>
    /// <param name="folders">Its <c>plugin_folder</c>.</param>
    /// <param name="modules">The module of the only plugin of each virtual host.</param>
    public ConfigDocument Document(string folders, params string[] modules) => HoconReader.Read(
        $$"""
        policyd {
          plugin_folder = {{folders}}
          listen = [ {{string.Join(", ", modules.Select(static (_, index) => $"\"127.0.0.1:{index + 1}\""))}} ]
          virtual_hosts = [
        {{string.Join('\n', modules.Select(static (module, index) =>
            $"    {{ name = {module}, port = {index + 1}, plugins = [ {{ name = it, module = {module} }} ] }}"))}}
          ]
        }
        """,
        _folder["policyd.hocon"]);

    public PolicyServerModel Built(params string[] modules) => Built(Document("\".\"", modules));

    public static PolicyServerModel Built(ConfigDocument document, PolicyServerModel? former = null) =>
        ModelBuilder.Build(document, new ModelEnvironment { Former = former })
            ?? throw new InvalidOperationException(string.Join('\n', document.Diagnostics.All));

    /// <summary>What each virtual host answers, in their order.</summary>
    public static async Task<List<string?>> AnswersAsync(PolicyServerModel model)
    {
        var answers = new List<string?>();
        foreach (var host in model.VirtualHosts)
        {
            var request = PolicyRequestBuilder.AccessPolicy().Add("instance", "1").ToRequest();
            answers.Add((await host.RunAsync(request, new Session(), Eventually.Timeout)).Action);
        }

        return answers;
    }

    public void Dispose() => _folder.Dispose();
}
