using System.Text.Json;
using Policyd.Tests.Support;

namespace Policyd.Tests.Server;

/// <summary>
/// What the runtime does for speed is in a file beside the executable, so that every start has it: a unit, a container, a shell.
/// It is read where the executable is, which in CI is published by the time when servers are tested.
/// </summary>
[ServerTest]
public sealed class RuntimeConfigurationSpecs
{
    private readonly JsonElement _properties = Read();

    [Fact]
    public void A_thread_without_work_does_not_spin() =>
        Assert.Equal(0, _properties.GetProperty("System.Threading.ThreadPool.UnfairSemaphoreSpinLimit").GetInt32());

    [Fact]
    public void The_garbage_collector_is_that_of_a_workstation_without_background_collections()
    {
        Assert.False(_properties.GetProperty("System.GC.Server").GetBoolean());
        Assert.False(_properties.GetProperty("System.GC.Concurrent").GetBoolean());
    }

    private static JsonElement Read()
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(Path.ChangeExtension(PolicydProcess.Executable, ".runtimeconfig.json")));
        return document.RootElement.GetProperty("runtimeOptions").GetProperty("configProperties").Clone();
    }
}
