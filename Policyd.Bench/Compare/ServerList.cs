using System.Net;
using Policyd.Bench.Servers;

namespace Policyd.Bench.Compare;

/// <summary>The servers of a comparison as the command line names them.</summary>
/// <param name="Policyd">Executables or commands of policyd, each perhaps with its name.</param>
/// <param name="Config">Files of configurations, each for one named server or for all.</param>
/// <param name="Endpoint">Where the server of a configuration without {port} listens.</param>
/// <param name="Against">The command of another server.</param>
public sealed record ServerList(
    IReadOnlyList<NamedValue> Policyd, IReadOnlyList<NamedValue> Config, EndPoint? Endpoint, string? Against, EndPoint? AgainstEndpoint)
{
    private const string Echo = "echo";
    private const string Other = "against";
    private const string Ours = "policyd";
    private const string Port = "{port}";
    private const string ConfigWord = "{config}";

    /// <summary>What a server without a --config runs.</summary>
    public string Usual { get; init; } = Chains.Plain;

    /// <summary>Checks what is given and chooses the ports; configurations are read here.</summary>
    /// <param name="programs">Directory of the programs that are built with this one.</param>
    /// <exception cref="FormatException">What does not fit together; the message names it.</exception>
    public IReadOnlyList<ContenderStart> Resolve(string programs)
    {
        var policyd = Policyd.Count > 0 ? Policyd : [new NamedValue(null, Path.Combine(programs, Ours))];
        var names = NamesOf(policyd);
        CheckConfigs(names);
        var ports = new List<int>();
        var servers = new List<ContenderStart>();
        for (var index = 0; index < policyd.Count; index++)
        {
            servers.Add(OurServer(names[index], Words(policyd[index].Value), ports));
        }

        if (servers.Count(server => server.Endpoint.Equals(Endpoint)) is var fixedOnes && Endpoint is not null && fixedOnes != 1)
        {
            throw new FormatException(fixedOnes == 0
                ? "--endpoint is for a configuration that does not take its port as {port}, and there is none."
                : "Several servers cannot listen on --endpoint: write {port} in the configuration where the port stands.");
        }

        if (Against is not null)
        {
            servers.Add(new ContenderStart(Other, Words(Against), AgainstEndpoint!));
        }

        var echo = TakePort(ports);
        servers.Add(new ContenderStart(Echo, [Path.Combine(programs, "Policyd.Bench"), "echo", "--listen", echo.ToString()], echo));
        return servers;
    }

    private static List<string> NamesOf(IReadOnlyList<NamedValue> policyd)
    {
        var names = new List<string>();
        foreach (var (name, command) in policyd)
        {
            var given = name ?? (names.Count == 0 ? Ours : FormattableString.Invariant($"{Ours}-{names.Count + 1}"));
            if (names.Contains(given) || given is Echo or Other)
            {
                throw new FormatException($"--policyd: the name {given} is taken.");
            }

            if (string.IsNullOrWhiteSpace(command))
            {
                throw new FormatException($"--policyd: {given} has no command.");
            }

            names.Add(given);
        }

        return names;
    }

    // A server is started in a directory of its own, where the path of the caller leads nowhere.
    private static string[] Words(string command) =>
        [.. command.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(word => IsPath(word) ? Path.GetFullPath(word) : word)];

    private static bool IsPath(string word) => word.Contains('/', StringComparison.Ordinal) && File.Exists(word);

    private static IPEndPoint TakePort(List<int> taken)
    {
        var endpoint = FreePort.Find(taken);
        taken.Add(endpoint.Port);
        return endpoint;
    }

    private void CheckConfigs(List<string> names)
    {
        if (Config.Select(config => config.Name).GroupBy(name => name).FirstOrDefault(group => group.Count() > 1) is { } twice)
        {
            throw new FormatException(
                twice.Key is { } name
                    ? $"--config is given twice for {name}."
                    : "--config is given twice: write NAME=FILE for each server.");
        }

        if (Config.FirstOrDefault(config => config.Name is { } name && !names.Contains(name)) is { Name: { } unknown })
        {
            throw new FormatException($"--config: no server is named {unknown}, there is {string.Join(", ", names)}.");
        }
    }

    private ContenderStart OurServer(string name, string[] words, List<int> ports)
    {
        // Its own before the common one.
        var candidates = Config.Where(config => config.Name is null || config.Name == name).OrderBy(config => config.Name is null);
        var file = candidates.Select(config => config.Value).FirstOrDefault();
        var text = file is null ? Usual : Read(file);
        var command = words.Contains(ConfigWord) ? words : [.. words, "serve", "-c", ConfigWord];
        if (text.Contains(Port, StringComparison.Ordinal))
        {
            return new ContenderStart(name, command, TakePort(ports), text, IsOurs: true);
        }

        // As it is, where it is: an include in it is relative to its directory.
        var path = Path.GetFullPath(file!);
        var endpoint = Endpoint
            ?? throw new FormatException($"{file} does not take its port as {{port}}: --endpoint tells where the server listens.");
        return new ContenderStart(name, [.. command.Select(word => word == ConfigWord ? path : word)], endpoint, IsOurs: true);
    }

    private static string Read(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (Exception reason) when (reason is IOException or UnauthorizedAccessException)
        {
            throw new FormatException($"--config: {file} cannot be read: {reason.Message}", reason);
        }
    }
}
