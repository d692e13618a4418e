using Policyd.Plugins.Testing;

namespace PluginProject.Tests;

/// <summary>The plugin alone: no server, no port.</summary>
public sealed class ModuleNameTests
{
    [Fact]
    public async Task Client_without_a_name_is_refused()
    {
        var test = PluginTest.For<ModuleNamePlugin>("text = \"who are you?\"");
        Assert.Equal("reject who are you?", (await test.RunAsync(("client_name", "unknown"))).Action);
        Assert.Null((await test.RunAsync(("client_name", "mx.example.org"))).Action);
    }

    [Fact]
    public async Task Score_is_added_once_for_each_mail()
    {
        var test = PluginTest.For<ModuleNamePlugin>("score = 2.5");
        await test.RunAsync(("client_name", "unknown"), ("recipient", "a@example.org"));
        var second = await test.RunAsync(("client_name", "unknown"), ("recipient", "b@example.org"));
        Assert.Null(second.Action);
        Assert.Equal("2.5", test.SessionOf()["score"]);
    }

    [Fact]
    public void Text_that_is_too_long_is_an_error_for_the_operator()
    {
        var error = Assert.Throws<PluginOptionsException>(() => PluginTest.For<ModuleNamePlugin>($"text = {new string('x', 201)}"));
        Assert.Contains("longer than 200 characters", error.Message, StringComparison.Ordinal);
    }
}
