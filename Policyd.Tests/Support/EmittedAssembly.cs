using System.Buffers.Binary;
using System.Reflection;
using System.Reflection.Emit;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;
using System.Runtime.Loader;
using System.Text;
using Policyd.Plugins.Api;

namespace Policyd.Tests.Support;

/// <summary>Small assemblies of third parties: made in the process, since a compiler takes seconds for each.</summary>
internal static class EmittedAssembly
{
    /// <summary>A library with <c>Words.Say()</c>.</summary>
    public static byte[] Library(string name, string version, string says, string method = "Say") =>
        Library(name, version, il => il.Emit(OpCodes.Ldstr, says), method);

    /// <summary>A library that says what another one says.</summary>
    public static byte[] Library(string name, string version, byte[] other) => Library(name, version, il => Say(il, other), "Say");

    private static byte[] Library(string name, string version, Action<ILGenerator> text, string method)
    {
        var assembly = new PersistedAssemblyBuilder(
            new AssemblyName(name) { Version = Version.Parse(version) }, typeof(object).Assembly);
        var type = assembly.DefineDynamicModule(name).DefineType($"{name}.Words", TypeAttributes.Public | TypeAttributes.Class);
        var il = type.DefineMethod(method, MethodAttributes.Public | MethodAttributes.Static, typeof(string), []).GetILGenerator();
        text(il);
        il.Emit(OpCodes.Ret);
        type.CreateType();
        return Bytes(assembly);
    }

    /// <summary>A plugin that answers <c>reject</c> and what a library says.</summary>
    public static byte[] Plugin(string module, byte[] library) => Plugin(module, il => Say(il, library));

    /// <summary>A plugin that answers <c>reject</c> and a text.</summary>
    public static byte[] Plugin(string module, string says) => Plugin(module, il => il.Emit(OpCodes.Ldstr, says));

    /// <summary>A plugin that answers <c>reject</c> and the text that it is told to put on the stack.</summary>
    public static byte[] Plugin(string module, Action<ILGenerator> text) => Plugin(module, (_, il) => text(il));

    /// <summary>The same, with members of its own.</summary>
    public static byte[] Plugin(
        string module, Action<TypeBuilder, ILGenerator> text, TypeAttributes attributes = TypeAttributes.Public | TypeAttributes.Sealed)
    {
        var assembly = new PersistedAssemblyBuilder(new AssemblyName(module), typeof(object).Assembly);
        var type = assembly.DefineDynamicModule(module).DefineType(
            $"Third.{module}Plugin", attributes | TypeAttributes.Class, typeof(Plugin));
        var il = type.DefineMethod(
            nameof(Policyd.Plugins.Api.Plugin.RunAsync),
            MethodAttributes.Public | MethodAttributes.Virtual | MethodAttributes.HideBySig,
            typeof(ValueTask<PluginResult>),
            [typeof(PluginContext)]).GetILGenerator();
        il.Emit(OpCodes.Ldstr, "reject ");
        text(type, il);
        il.Emit(OpCodes.Call, typeof(string).GetMethod(nameof(string.Concat), [typeof(string), typeof(string)])!);
        il.Emit(OpCodes.Call, typeof(PluginResult).GetMethod(nameof(PluginResult.Answer))!);
        il.Emit(OpCodes.Newobj, typeof(ValueTask<PluginResult>).GetConstructor([typeof(PluginResult)])!);
        il.Emit(OpCodes.Ret);
        type.CreateType();
        return Bytes(assembly);
    }

    /// <summary>The assembly as if it was built with another version of what it refers to.</summary>
    public static byte[] BuiltWith(byte[] assembly, string reference, string version)
    {
        var changed = assembly.ToArray();
        using var portable = new PEReader(new MemoryStream(assembly));
        var reader = portable.GetMetadataReader();
        var handle = reader.AssemblyReferences.Single(one => reader.GetString(reader.GetAssemblyReference(one).Name) == reference);
        var row = portable.PEHeaders.MetadataStartOffset + reader.GetTableMetadataOffset(TableIndex.AssemblyRef)
            + ((MetadataTokens.GetRowNumber(handle) - 1) * reader.GetTableRowSize(TableIndex.AssemblyRef));
        var parts = Version.Parse(version);
        BinaryPrimitives.WriteUInt16LittleEndian(changed.AsSpan(row), (ushort)parts.Major);
        BinaryPrimitives.WriteUInt16LittleEndian(changed.AsSpan(row + 2), (ushort)parts.Minor);
        return changed;
    }

    /// <summary>The assembly as if it was built with a type or member of another name, which has as many letters.</summary>
    public static byte[] Using(byte[] assembly, string former, string name)
    {
        var changed = assembly.ToArray();
        Encoding.UTF8.GetBytes(name).CopyTo(changed.AsSpan(changed.AsSpan().IndexOf(Encoding.UTF8.GetBytes(former + '\0'))));
        return changed;
    }

    private static void Say(ILGenerator il, byte[] library)
    {
        var context = new AssemblyLoadContext(null, isCollectible: true);
        var words = context.LoadFromStream(new MemoryStream(library)).GetExportedTypes()[0];
        il.Emit(OpCodes.Call, words.GetMethods(BindingFlags.Public | BindingFlags.Static)[0]);
    }

    private static byte[] Bytes(PersistedAssemblyBuilder assembly)
    {
        var stream = new MemoryStream();
        assembly.Save(stream);
        return stream.ToArray();
    }
}
