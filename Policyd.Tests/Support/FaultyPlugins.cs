using System.Reflection;
using System.Reflection.Emit;
using Policyd.Plugins.Api;

namespace Policyd.Tests.Support;

/// <summary>
/// An assembly of third-party plugins each of which throws somewhere, for the real server to load from a folder. It is emitted, since a
/// project of its own would be built with every build for the sake of a few methods.
/// </summary>
internal static class FaultyPlugins
{
    private const MethodAttributes Overriding = MethodAttributes.Public | MethodAttributes.Virtual | MethodAttributes.HideBySig;

    /// <summary>The name of the file in a folder of plugins.</summary>
    public const string FileName = "Faulty.dll";

    /// <summary>Writes the assembly into a folder.</summary>
    public static void Write(string folder)
    {
        var assembly = new PersistedAssemblyBuilder(new AssemblyName("Faulty"), typeof(object).Assembly);
        var module = assembly.DefineDynamicModule("Faulty");
        Define(module, "ThrowsInConstructor", type => Throw(
            type.DefineConstructor(MethodAttributes.Public, CallingConventions.Standard, []).GetILGenerator(),
            typeof(InvalidOperationException),
            "no luck"));
        Define(module, "ThrowsInInitialize", type => Throw(Initializer(type), typeof(NullReferenceException), "nothing is there"));
        Define(
            module, "ThrowsInSetter", type => Property(type, il => Throw(il, typeof(KeyNotFoundException), "not today"), il => Return(il)));
        Define(
            module,
            "ThrowsInGetter",
            type => Property(type, il => il.Emit(OpCodes.Ret), il => Throw(il, typeof(NotSupportedException), "ask me not")));
        Define(module, "ThrowsInStart", type => Throw(
            type.DefineMethod(nameof(Plugin.StartAsync), Overriding, typeof(ValueTask), [typeof(CancellationToken)]).GetILGenerator(),
            typeof(InvalidOperationException),
            "no feed"));
        Define(module, "CountsNowhere", type => CountInto(Initializer(type), "nosuch"));
        assembly.Save(Path.Combine(folder, FileName));
    }

    private static void Define(ModuleBuilder module, string name, Action<TypeBuilder> complete)
    {
        var type = module.DefineType(
            $"Faulty.{name}Plugin", TypeAttributes.Public | TypeAttributes.Class | TypeAttributes.Sealed, typeof(Plugin));
        var run = type.DefineMethod(nameof(Plugin.RunAsync), Overriding, typeof(ValueTask<PluginResult>), [typeof(PluginContext)])
            .GetILGenerator();
        run.DeclareLocal(typeof(ValueTask<PluginResult>));
        run.Emit(OpCodes.Ldloc_0);
        run.Emit(OpCodes.Ret);
        complete(type);
        type.CreateType();
    }

    private static ILGenerator Initializer(TypeBuilder type) =>
        type.DefineMethod(nameof(Plugin.Initialize), Overriding, typeof(void), [typeof(PluginSetup)]).GetILGenerator();

    // An action: the server reads it back, to have its grammar checked.
    private static void Property(TypeBuilder type, Action<ILGenerator> set, Action<ILGenerator> get)
    {
        var property = type.DefineProperty("Value", PropertyAttributes.None, typeof(ActionTemplate), []);
        var setter = type.DefineMethod(
            "set_Value", MethodAttributes.Public | MethodAttributes.SpecialName, typeof(void), [typeof(ActionTemplate)]);
        set(setter.GetILGenerator());
        property.SetSetMethod(setter);
        var getter = type.DefineMethod("get_Value", MethodAttributes.Public | MethodAttributes.SpecialName, typeof(ActionTemplate), []);
        get(getter.GetILGenerator());
        property.SetGetMethod(getter);
    }

    private static void CountInto(ILGenerator il, string connection)
    {
        il.Emit(OpCodes.Ldarg_1);
        il.Emit(OpCodes.Ldstr, connection);
        il.Emit(OpCodes.Ldstr, "acct_sender");
        il.Emit(OpCodes.Ldc_I4_1);
        il.Emit(OpCodes.Callvirt, typeof(PluginSetup).GetMethod(nameof(PluginSetup.UseCounterTable))!);
        il.Emit(OpCodes.Pop);
        il.Emit(OpCodes.Ret);
    }

    private static void Return(ILGenerator il)
    {
        il.Emit(OpCodes.Ldnull);
        il.Emit(OpCodes.Ret);
    }

    private static void Throw(ILGenerator il, Type exception, string message)
    {
        il.Emit(OpCodes.Ldstr, message);
        il.Emit(OpCodes.Newobj, exception.GetConstructor([typeof(string)])!);
        il.Emit(OpCodes.Throw);
    }
}
