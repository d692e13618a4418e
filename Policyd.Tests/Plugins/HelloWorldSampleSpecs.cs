using Policyd.Configuration;
using Policyd.Configuration.Hocon;
using Policyd.Configuration.Tree;
using Policyd.Engine.Building;
using Policyd.Engine.Model;
using Policyd.Plugins.Api;
using Policyd.Plugins.Sessions;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Plugins;

/// <summary>The sample as an author builds it: an assembly in a folder, loaded by the server and never referenced.</summary>
public sealed class HelloWorldSampleSpecs
{
    private static string Folder => Path.Combine(AppContext.BaseDirectory, "sample-plugins");

    [Fact]
    public async Task Plugin_from_a_folder_answers()
    {
        var model = Build("{ name = greet, module = HelloWorld, text = \"Hello Universe!\" }");
        Assert.Equal("reject Hello Universe!", await Ask(model, new Session()));
    }

    [Fact]
    public async Task Header_is_added_once_and_score_counted_once()
    {
        var model = Build("{ name = greet, module = HelloWorld, mode = header, score = 2.5 }");
        var session = new Session();
        Assert.Equal("PREPEND X-Hello: Hello World! (mx.example.com)", await Ask(model, session));
        Assert.Equal("dunno", await Ask(model, session));
        Assert.Equal("2.5", session["score"]);
    }

    [Fact]
    public async Task User_turns_the_plugin_off()
    {
        var model = Build(
            "{ name = off, module = SetField, key = hello_enabled, value = off }, { name = greet, module = "
                + "HelloWorld, uc_enabled = hello_enabled }");
        Assert.Equal("dunno", await Ask(model, new Session()));
    }

    [Fact]
    public void File_that_is_no_assembly_and_folder_that_is_not_there_are_named_with_their_place()
    {
        using var folder = new TemporaryFolder();
        folder.Write("broken.dll", "not an assembly");
        foreach (var (name, reason) in new[] { (folder.Path, "broken.dll: is not a .NET assembly"), (folder["nowhere"], "does not exist") })
        {
            var document = HoconReader.Read(
                $"policyd {{\n plugin_folder = \"{name}\"\n virtual_hosts = [ {{ name = a, port = 12345, plugins = [] }} ] }}",
                "hello.hocon");
            Assert.Null(ModelBuilder.Build(document, new ModelEnvironment()));
            var error = Assert.Single(document.Diagnostics.All, one => one.Severity == Severity.Error);
            Assert.Equal(2, error.Position.Line);
            Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void What_the_plugin_finds_wrong_has_its_place()
    {
        var document = HoconReader.Read(
            Hocon($"{{ name = greet, module = HelloWorld, text = \"{new string('x', 201)}\" }}"), "hello.hocon");
        Assert.Null(ModelBuilder.Build(document, new ModelEnvironment()));
        var error = Assert.Single(document.Diagnostics.All, one => one.Severity == Severity.Error);
        Assert.Equal("hello.hocon", error.Position.File);
        Assert.Contains("longer than 200", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Weekly_task_tells_how_many_were_greeted()
    {
        var log = new LogCapture();
        var model = Build("{ name = greet, module = HelloWorld }", log);
        await Ask(model, new Session());
        await model.CronAsync(["weekly"], CancellationToken.None);
        Assert.Single(log.Containing("greeted 1 times"));
    }

    private static PolicyServerModel Build(string plugins, LogCapture? log = null)
    {
        var document = HoconReader.Read(Hocon(plugins), "hello.hocon");
        return ModelBuilder.Build(document, new ModelEnvironment { LoggerFactory = log ?? new LogCapture() })
            ?? throw new InvalidOperationException(string.Join('\n', document.Diagnostics.All));
    }

    private static string Hocon(string plugins) =>
        $"policyd {{ plugin_folder = \"{Folder}\", virtual_hosts = [ {{ name = hello, port = 12345, plugins = [ {plugins} ] }} ] }}";

    private static async Task<string?> Ask(PolicyServerModel model, Session session)
    {
        var request = PolicyRequestBuilder.AccessPolicy().Add("instance", "1").Add("client_name", "mx.example.com").ToRequest();
        return (await model.VirtualHosts[0].RunAsync(request, session, Eventually.Timeout)).Action;
    }
}
