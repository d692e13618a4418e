using System.Collections.Immutable;
using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Runtime.Loader;
using System.Security.Cryptography;
using Policyd.Configuration.Sources;

namespace Policyd.Engine.Loading;

/// <summary>
/// An assembly of a plugin, read into memory: whoever overwrites the file while the server runs changes nothing there. A file that is
/// mapped ends the process when it is cut short.
/// </summary>
internal sealed class AssemblyFile : IDisposable
{
    private readonly byte[] _bytes;
    private readonly PEReader _portable;

    private AssemblyFile(string path, byte[] bytes, PEReader portable)
    {
        Path = path;
        _bytes = bytes;
        _portable = portable;
        Metadata = portable.GetMetadataReader();
        Name = Metadata.GetAssemblyDefinition().GetAssemblyName();
    }

    public string Path { get; }

    public AssemblyName Name { get; }

    public MetadataReader Metadata { get; }

    /// <summary>What it was built with.</summary>
    public IEnumerable<AssemblyName> References =>
        Metadata.AssemblyReferences.Select(handle => Metadata.GetAssemblyReference(handle).GetAssemblyName());

    /// <summary>Whether it is built with the API of plugins, so that it may have some.</summary>
    public bool KnowsPlugins => References.Any(static name => name.Name == typeof(Plugins.Api.Plugin).Assembly.GetName().Name);

    /// <summary>Path and content.</summary>
    public string Fingerprint => $"{Path} {Convert.ToHexString(SHA256.HashData(_bytes))}";

    /// <summary>Reads a file.</summary>
    /// <exception cref="PluginFileException">It is no assembly.</exception>
    public static AssemblyFile Read(string path)
    {
        var bytes = Bytes(path);
        try
        {
            var portable = new PEReader(ImmutableArray.Create(bytes));
            return portable.HasMetadata && portable.GetMetadataReader().IsAssembly
                ? new AssemblyFile(path, bytes, portable)
                : throw new PluginFileException(
                    path, "is a native library, not a .NET assembly; a plugin's native libraries belong into runtimes/RID/native");
        }
        catch (Exception e) when (e is BadImageFormatException or InvalidOperationException or ArgumentException or OverflowException)
        {
            throw new PluginFileException(path, $"is not a .NET assembly, or only a part of one ({bytes.Length} bytes): copy it again", e);
        }
    }

    public Assembly LoadInto(AssemblyLoadContext context)
    {
        var symbols = System.IO.Path.ChangeExtension(Path, ".pdb");
        using var pdb = File.Exists(symbols) ? new MemoryStream(File.ReadAllBytes(symbols)) : null;
        return context.LoadFromStream(new MemoryStream(_bytes), pdb);
    }

    public void Dispose() => _portable.Dispose();

    private static byte[] Bytes(string path)
    {
        try
        {
            RegularFile.Demand(path);
            return File.ReadAllBytes(path) is { Length: > 0 } bytes
                ? bytes
                : throw new PluginFileException(path, "is empty: copy it again");
        }
        catch (UnauthorizedAccessException e)
        {
            throw new PluginFileException(path, "cannot be read by the server's user: change its mode or owner", e);
        }
        catch (IOException e)
        {
            throw new PluginFileException(path, $"cannot be read: {e.Message}", e);
        }
    }
}

/// <summary>A file of a plugin folder that cannot be used; its message begins with the file.</summary>
internal sealed class PluginFileException(string path, string problem, Exception? cause = null) : Exception($"{path}: {problem}", cause);
