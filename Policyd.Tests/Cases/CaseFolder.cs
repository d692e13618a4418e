using System.Text;
using System.Text.Json;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Cases;

/// <summary>
/// One small input that once failed: a configuration, the requests, and where it needs them the DNS records and the tables. Such cases
/// stand beside the repository and are no part of it; a test of one is skipped with a reason where they are absent.
/// </summary>
internal sealed class CaseFolder(string name)
{
    private static readonly string[] s_configurations = ["config.hocon", "mtpolicyd.conf"];
    private readonly string _path = Needs.SharedData(Path.Combine("cases", name));

    /// <summary>The configuration's text, its placeholders filled in by the test.</summary>
    public string Configuration => File.ReadAllText(Path.Combine(_path, FileName));

    /// <summary>What makes the tables; empty where there are none.</summary>
    public string Sql => File.Exists(Path.Combine(_path, "db.sql")) ? File.ReadAllText(Path.Combine(_path, "db.sql")) : string.Empty;

    /// <summary>The name that the configuration needs: mtpolicyd.conf is told from HOCON by its content, and shown by its name.</summary>
    public string FileName => s_configurations.First(file => File.Exists(Path.Combine(_path, file)));

    /// <summary>The requests as they go to the server, each with its closing empty line.</summary>
    public IReadOnlyList<byte[]> Requests =>
    [
        .. File.ReadAllText(Path.Combine(_path, "requests.txt"))
            .Split("\n\n", StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Where(block => !block.StartsWith('#'))
            .Select(block => Encoding.UTF8.GetBytes(block + "\n\n")),
    ];

    /// <summary>Puts the records of zone.json, an object of names with lists of <c>{"TYPE": value}</c>, into a server.</summary>
    public void FillZone(ScriptedDnsServer server)
    {
        var file = Path.Combine(_path, "zone.json");
        if (!File.Exists(file))
        {
            return;
        }

        using var zone = JsonDocument.Parse(File.ReadAllText(file));
        foreach (var (owner, record) in zone.RootElement.EnumerateObject()
            .SelectMany(owner => owner.Value.EnumerateArray().Select(record => (owner.Name, record.EnumerateObject().Single()))))
        {
            _ = record.Name switch
            {
                "A" => server.A(owner, record.Value.GetString()!),
                "AAAA" => server.Aaaa(owner, record.Value.GetString()!),
                "TXT" => server.Txt(owner, record.Value.GetString()!),
                "PTR" => server.Ptr(owner, record.Value.GetString()!),
                "CNAME" => server.Cname(owner, record.Value.GetString()!),
                "MX" => server.Mx(owner, record.Value[0].GetInt32(), record.Value[1].GetString()!),
                _ => throw new InvalidDataException($"{file} has a record of the type {record.Name}"),
            };
        }
    }
}
