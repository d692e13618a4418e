using System.Reflection;
using System.Reflection.Emit;
using Microsoft.Extensions.Logging;
using Policyd.Configuration;
using Policyd.Configuration.Hocon;
using Policyd.Configuration.Tree;
using Policyd.Engine.Building;
using Policyd.Engine.Model;
using Policyd.Plugins.Logging;
using Policyd.Plugins.Sessions;
using Policyd.Protocol;
using Policyd.Tests.Support;
using static Policyd.Tests.Loading.PluginFolder;
using static Policyd.Tests.Support.EmittedAssembly;

namespace Policyd.Tests.Loading;

/// <summary>Plugins of third parties, with dependencies of their own, in the folders of <c>plugin_folder</c>.</summary>
public sealed class PluginFolderSpecs : IDisposable
{
    private readonly PluginFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Two_plugins_have_each_its_own_version_of_the_same_library()
    {
        var (one, two) = (Library("Words", "1.0.0.0", "one"), Library("Words", "2.0.0.0", "two"));
        _folder.Write("first/First.dll", Plugin("First", one));
        _folder.Write("first/Words.dll", one);
        _folder.Write("second/Second.dll", Plugin("Second", two));
        _folder.Write("second/Words.dll", two);
        var model = _folder.Built("First", "Second");
        Assert.Equal(["reject one", "reject two"], await AnswersAsync(model));
    }

    [Fact]
    public async Task Own_library_comes_before_the_servers_of_the_same_name()
    {
        var own = Library("MySqlConnector", "1.0.0.0", "mine");
        _folder.Write("first/First.dll", Plugin("First", own));
        _folder.Write("first/MySqlConnector.dll", own);
        Assert.Equal(["reject mine"], await AnswersAsync(_folder.Built("First")));
    }

    [Fact]
    public async Task Several_folders_are_searched_and_a_plugin_may_lie_directly_in_one()
    {
        var library = Library("Words", "1.0.0.0", "flat");
        _folder.Write("a/First.dll", Plugin("First", library));
        _folder.Write("a/Words.dll", library);
        _folder.Write("b/set/Second.dll", Plugin("Second", "nested"));
        Assert.Equal(["reject flat", "reject nested"], await AnswersAsync(Built(_folder.Document("[ a, b ]", "First", "Second"))));
    }

    [Fact]
    public void Library_that_only_the_server_has_is_missing()
    {
        _folder.Write("first/First.dll", Plugin("First", il => Make(il, typeof(MySqlConnector.MySqlConnection))));
        Assert.Contains(
            "first/First.dll: needs MySqlConnector 2.0, which is not in its folder: put MySqlConnector.dll there", Error("First"));
    }

    [Fact]
    public void Part_of_the_server_that_is_not_for_plugins_is_told()
    {
        _folder.Write("first/First.dll", Plugin("First", il => Make(il, typeof(Modules.ActionPlugin))));
        _folder.Write("first/Policyd.Modules.dll", File.ReadAllBytes(typeof(Modules.ActionPlugin).Assembly.Location));
        Assert.Contains("first/First.dll: needs Policyd.Modules, a part of the server that plugins must not use", Error("First"));
    }

    [Fact]
    public void What_a_library_needs_is_looked_for_too()
    {
        var between = Library("Between", "1.0.0.0", Library("Words", "1.0.0.0", "one"));
        _folder.Write("first/First.dll", Plugin("First", between));
        _folder.Write("first/Between.dll", between);
        Assert.Contains("first/Between.dll: needs Words 1.0, which is not in its folder", Error("First"));
    }

    [Fact]
    public void Plugin_for_a_newer_server_is_told_what_to_do()
    {
        var here = typeof(Policyd.Plugins.Api.Plugin).Assembly.GetName().Version!.ToString(2);
        _folder.Write("first/First.dll", BuiltWith(Plugin("First", "x"), "Policyd.Plugins", "9.4.0.0"));
        Assert.Contains(
            $"first/First.dll: was built for Policyd.Plugins 9.4, this server has {here}: "
                + "install a server with Policyd.Plugins 9.4, or rebuild",
            Error("First"));
    }

    [Fact]
    public void Plugin_for_a_newer_runtime_is_told_what_to_do()
    {
        _folder.Write("first/First.dll", BuiltWith(Plugin("First", "x"), "System.Private.CoreLib", "99.0.0.0"));
        Assert.Contains("first/First.dll: was built for .NET 99.0 (System.Private.CoreLib), this server runs on .NET ", Error("First"));
    }

    [Fact]
    public void Older_library_than_the_plugin_was_built_with_is_told()
    {
        _folder.Write("first/First.dll", Plugin("First", Library("Words", "2.1.0.0", "two")));
        _folder.Write("first/Words.dll", Library("Words", "1.0.0.0", "one"));
        Assert.Contains("first/First.dll: needs Words 2.1, but ", Error("First"));
    }

    [Theory]
    [InlineData("Answer", "Anzwer", "uses Policyd.Plugins.Api.PluginResult.Anzwer(System.String) : Policyd.Plugins.Api.PluginResult")]
    [InlineData("PluginContext", "PluginKontext", "uses the type Policyd.Plugins.Api.PluginKontext, which Policyd.Plugins")]
    public void Type_or_member_that_the_server_does_not_have_is_told(string former, string name, string expected)
    {
        _folder.Write("first/First.dll", Using(Plugin("First", "x"), former, name));
        Assert.Contains(Errors("First"), error => error.Contains(expected, StringComparison.Ordinal));
        Assert.Contains(Errors("First"), error => error.Contains("rebuild it for", StringComparison.Ordinal));
    }

    [Fact]
    public void Member_that_the_plugins_own_library_does_not_have_is_told()
    {
        _folder.Write("first/First.dll", Plugin("First", Library("Words", "1.0.0.0", "one")));
        _folder.Write("first/Words.dll", Library("Words", "1.0.0.0", "one", method: "Tell"));
        Assert.Contains("uses Words.Words.Say() : System.String, which Words 1.0 in its folder does not have", Error("First"));
    }

    [Fact]
    public void What_a_library_misses_in_another_one_is_a_warning_since_nobody_may_need_it()
    {
        var between = Library("Between", "1.0.0.0", Library("Words", "1.0.0.0", "one"));
        _folder.Write("first/First.dll", Plugin("First", between));
        _folder.Write("first/Between.dll", between);
        _folder.Write("first/Words.dll", Library("Words", "1.0.0.0", "one", method: "Tell"));
        var document = _folder.Document("\".\"", "First");
        Assert.NotNull(ModelBuilder.Build(document, new ModelEnvironment()));
        Assert.Contains(
            "first/Between.dll: uses Words.Words.Say()",
            Assert.Single(document.Diagnostics.All, one => one.Message.StartsWith("plugin_folder: ", StringComparison.Ordinal)).Message);
    }

    [Theory]
    [InlineData(TypeAttributes.NotPublic | TypeAttributes.Sealed, "is not public")]
    [InlineData(TypeAttributes.Public | TypeAttributes.Abstract, "is abstract")]
    public void Class_that_cannot_be_a_module_is_told_with_the_reason(TypeAttributes attributes, string reason)
    {
        _folder.Write("first/First.dll", Plugin("First", static (_, il) => il.Emit(OpCodes.Ldstr, "x"), attributes));
        Assert.Equal(
            [$"plugin it: the module \"First\" cannot be used: Third.FirstPlugin in {_folder["first/First.dll"]} {reason}"],
            AllErrors("First"));
    }

    [Fact]
    public void Class_whose_constructor_needs_something_is_told()
    {
        var plugin = Plugin("First", static (type, il) =>
        {
            type.DefineConstructor(MethodAttributes.Public, CallingConventions.Standard, [typeof(int)]).GetILGenerator()
                .Emit(OpCodes.Ret);
            il.Emit(OpCodes.Ldstr, "x");
        });
        _folder.Write("first/First.dll", plugin);
        Assert.EndsWith("has no public constructor without parameters", Assert.Single(AllErrors("First")));
    }

    [Fact]
    public void Each_file_that_is_no_assembly_is_told_with_its_reason()
    {
        _folder.Write("text.dll", "not an assembly"u8.ToArray());
        _folder.Write("cut.dll", Plugin("First", "x")[..700]);
        _folder.Write("empty.dll", []);
        _folder.Write("native.dll", NativeLibrary());
        _folder.Write("folder.dll/First.dll", Plugin("First", "x"));
        File.CreateSymbolicLink(_folder["nowhere.dll"], _folder["gone"]);
        _folder.Write("set/bad.dll", "bad"u8.ToArray());
        var errors = Errors("Action");
        Assert.Equal(7, errors.Length);
        foreach (var expected in new[]
        {
            "text.dll: is not a .NET assembly", "cut.dll: is not a .NET assembly, or only a part of one (700 bytes)", "empty.dll: is empty",
            "native.dll: is a native library", "folder.dll: is a folder", "nowhere.dll: cannot be read",
            "set/bad.dll: is not a .NET assembly",
        })
        {
            Assert.Contains(errors, error => error.Contains("/" + expected, StringComparison.Ordinal));
        }
    }

    [Fact]
    public void Two_plugins_of_the_same_module_name_are_told_with_both_files()
    {
        _folder.Write("first/First.dll", Plugin("Same", "x"));
        _folder.Write("second/Second.dll", Plugin("Same", "y"));
        var error = Error("Same");
        Assert.Contains("the module name Same of Third.SamePlugin in ", error);
        Assert.Contains("second/Second.dll is already used by Third.SamePlugin in ", error);
        Assert.EndsWith("first/First.dll", error, StringComparison.Ordinal);
    }

    [Fact]
    public void Folder_without_a_plugin_in_it_is_a_warning()
    {
        _folder.Write("first/Words.dll", Library("Words", "1.0.0.0", "one"));
        var document = _folder.Document("\".\"", "Action");
        ModelBuilder.Build(document, new ModelEnvironment());
        Assert.Contains(document.Diagnostics.All, one => one.Severity == Severity.Warning && one.Message.Contains("so it has no plugin"));
    }

    [Fact]
    public async Task File_that_is_overwritten_in_place_does_not_change_the_plugin_that_runs()
    {
        var library = Library("Words", "1.0.0.0", "one");
        _folder.Write("first/First.dll", Plugin("First", library));
        _folder.Write("first/Words.dll", library);
        var model = _folder.Built("First");
        foreach (var file in new[] { "first/First.dll", "first/Words.dll" })
        {
            using var cut = new FileStream(_folder[file], FileMode.Open, FileAccess.Write);
            cut.SetLength(0);
        }

        Assert.Equal(["reject one"], await AnswersAsync(model));
        Assert.DoesNotContain(_folder.Path, await File.ReadAllTextAsync("/proc/self/maps", TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Reload_loads_what_has_changed_and_keeps_the_plugins_of_files_that_have_not()
    {
        var library = Library("Words", "1.0.0.0", "one");
        _folder.Write("first/First.dll", Plugin("First", library));
        _folder.Write("first/Words.dll", library);
        _folder.Write("second/Second.dll", Plugin("Second", "stays"));
        var before = _folder.Built("First", "Second");
        _folder.Write("first/Words.dll", Library("Words", "1.0.0.0", "new"));
        var after = Built(_folder.Document("\".\"", "First", "Second"), before);
        Assert.Equal(["reject new", "reject stays"], await AnswersAsync(after));
        Assert.Equal(["reject one", "reject stays"], await AnswersAsync(before));
        Assert.Equal([_folder["first/First.dll"]], after.PluginFilesBeyond(before));
        Assert.NotSame(before.VirtualHosts[0].Chain.Plugins[0], after.VirtualHosts[0].Chain.Plugins[0]);
        Assert.Same(before.VirtualHosts[1].Chain.Plugins[0], after.VirtualHosts[1].Chain.Plugins[0]);
    }

    [Fact]
    public async Task Reload_with_a_plugin_that_cannot_be_loaded_leaves_the_former_one()
    {
        _folder.Write("first/First.dll", Plugin("First", "good"));
        var before = _folder.Built("First");
        _folder.Write("first/First.dll", Plugin("First", "bad")[..900]);
        Assert.Null(ModelBuilder.Build(_folder.Document("\".\"", "First"), new ModelEnvironment { Former = before }));
        Assert.Equal(["reject good"], await AnswersAsync(before));
    }

    [Fact]
    public void Lines_of_a_plugins_loggers_name_it_however_they_are_written()
    {
        var log = new LogCapture();
        var logger = new PluginLogger(log.CreateLogger("x"), "mail", "greet", "1a2b.0");
        logger.LogWarning(new InvalidOperationException("no luck"), "greeted {Count} times", 3);
        Assert.Single(log.Containing("mail: instance=1a2b.0 plugin=greet: greeted 3 times: no luck"));
    }

    private static void Make(ILGenerator il, Type type)
    {
        il.Emit(OpCodes.Newobj, type.GetConstructor([])!);
        il.Emit(OpCodes.Callvirt, typeof(object).GetMethod(nameof(ToString))!);
    }

    // The head of a PE file that has no part of .NET in it.
    private static byte[] NativeLibrary()
    {
        var managed = Plugin("First", "x");
        using var portable = new System.Reflection.PortableExecutable.PEReader(new MemoryStream(managed));
        var directory = portable.PEHeaders.PEHeaderStartOffset + (portable.PEHeaders.PEHeader!.Magic
            == System.Reflection.PortableExecutable.PEMagic.PE32Plus ? 112 : 96) + (14 * 8);
        managed.AsSpan(directory, 8).Clear();
        return managed;
    }

    private string[] Errors(params string[] modules) =>
        [.. AllErrors(modules).Where(static message => message.StartsWith("plugin_folder: ", StringComparison.Ordinal))];

    private string[] AllErrors(params string[] modules)
    {
        var document = _folder.Document("\".\"", modules);
        Assert.Null(ModelBuilder.Build(document, new ModelEnvironment()));
        return [.. document.Diagnostics.All.Select(static one => one.Message)];
    }

    private string Error(params string[] modules) => Assert.Single(Errors(modules));
}
