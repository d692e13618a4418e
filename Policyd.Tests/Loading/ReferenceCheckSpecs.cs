using Policyd.Engine.Loading;

namespace Policyd.Tests.Loading;

/// <summary>What a plugin's libraries use is found where it is: the server's own libraries are as many kinds of code as there
/// are.</summary>
public sealed class ReferenceCheckSpecs
{
    [Fact]
    public void Nothing_is_missing_where_all_is_there()
    {
        var own = new Dictionary<string, AssemblyFile>(StringComparer.OrdinalIgnoreCase);
        try
        {
            // Akka's store of distributed data, which we do not use, was built for an older LightningDB.
            foreach (var path in Directory.EnumerateFiles(AppContext.BaseDirectory, "*.dll")
                .Where(static path => Path.GetFileName(path) != "Akka.DistributedData.LightningDB.dll"))
            {
                var file = AssemblyFile.Read(path);
                own[file.Name.Name!] = file;
            }

            var check = new ReferenceCheck(own);
            Assert.True(own.Count > 50, $"{own.Count} assemblies");
            var missing = own.Values.SelectMany(file => check.Missing(file).Select(missing => $"{file.Name.Name}: {missing}")).ToList();
            Assert.True(missing.Count == 0, string.Join('\n', missing));
        }
        finally
        {
            foreach (var file in own.Values)
            {
                file.Dispose();
            }
        }
    }
}
