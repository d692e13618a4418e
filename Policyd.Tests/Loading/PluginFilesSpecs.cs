using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.InteropServices;
using static Policyd.Tests.Loading.PluginFolder;
using static Policyd.Tests.Support.EmittedAssembly;

namespace Policyd.Tests.Loading;

/// <summary>The native libraries of plugins, each from its own folder.</summary>
public sealed class PluginFilesSpecs : IDisposable
{
    private readonly PluginFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Two_plugins_use_each_the_native_library_of_its_own_folder()
    {
        foreach (var name in new[] { "First", "Second" })
        {
            _folder.Write($"{name}/{name}.dll", Calls(name, "policydtest"));
            File.Copy(SqliteLibrary, _folder[$"{name}/libpolicydtest.so"]);
        }

        Assert.All(await AnswersAsync(_folder.Built("First", "Second")), static answer => Assert.Matches("^reject 3[0-9]{6}$", answer));
        var maps = await MapsAsync();
        Assert.Contains(_folder["First/libpolicydtest.so"], maps, StringComparison.Ordinal);
        Assert.Contains(_folder["Second/libpolicydtest.so"], maps, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_native_library_is_found_below_runtimes_as_publish_puts_it()
    {
        var rid = RuntimeInformation.RuntimeIdentifier;
        _folder.Write("first/First.dll", Calls("First", "policydtest"));
        _folder.Write($"first/runtimes/{rid}/native/libpolicydtest.so", await File.ReadAllBytesAsync(
            SqliteLibrary, TestContext.Current.CancellationToken));
        await File.WriteAllTextAsync(
            _folder["first/First.deps.json"],
            $$"""
            {
              "runtimeTarget": { "name": ".NETCoreApp,Version=v10.0" },
              "targets": { ".NETCoreApp,Version=v10.0": {
                "First/1.0.0": { "dependencies": { "Native": "1.0.0" }, "runtime": { "First.dll": { } } },
                "Native/1.0.0": { "runtimeTargets": {
                  "runtimes/{{rid}}/native/libpolicydtest.so": {
                    "rid": "{{rid}}", "assetType": "native", "fileVersion": "0.0.0.0" } } } } },
              "libraries": {
                "First/1.0.0": { "type": "project", "serviceable": false, "sha512": "" },
                "Native/1.0.0": { "type": "package", "serviceable": true, "sha512": "", "path": "native/1.0.0" } }
            }
            """,
            TestContext.Current.CancellationToken);
        Assert.Matches("^reject 3[0-9]{6}$", Assert.Single(await AnswersAsync(_folder.Built("First"))));
    }

    [Fact]
    public async Task A_native_library_that_is_nowhere_is_a_failure_of_its_plugin()
    {
        _folder.Write("first/First.dll", Calls("First", "policydnowhere"));
        Assert.Equal([null], await AnswersAsync(_folder.Built("First")));
    }

    private static Task<string> MapsAsync() => File.ReadAllTextAsync("/proc/self/maps", TestContext.Current.CancellationToken);

    private static string SqliteLibrary => Path.Combine(
        AppContext.BaseDirectory, "runtimes", RuntimeInformation.RuntimeIdentifier, "native", "libe_sqlite3.so");

    /// <summary>A plugin that says the number which a native library gives.</summary>
    private static byte[] Calls(string name, string library) => Plugin(name, (type, il) =>
    {
        var call = type.DefinePInvokeMethod(
            "sqlite3_libversion_number",
            library,
            MethodAttributes.Public | MethodAttributes.Static | MethodAttributes.PinvokeImpl,
            CallingConventions.Standard,
            typeof(int),
            [],
            CallingConvention.Cdecl,
            CharSet.Ansi);
        call.SetImplementationFlags(MethodImplAttributes.PreserveSig);
        il.Emit(OpCodes.Call, call);
        il.Emit(OpCodes.Call, typeof(Convert).GetMethod(nameof(Convert.ToString), [typeof(int)])!);
    });
}
