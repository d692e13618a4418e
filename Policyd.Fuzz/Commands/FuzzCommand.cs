using System.CommandLine;
using Policyd.Fuzz.Harness;

namespace Policyd.Fuzz.Commands;

/// <summary>The command line: list the targets, run them, replay one input.</summary>
internal static class FuzzCommand
{
    public static RootCommand Create(IReadOnlyList<FuzzTarget> targets) => new("Fuzzes policyd's parsers and codecs.")
    {
        ListCommand.Create(targets),
        RunCommand.Create(targets),
        ReplayCommand.Create(targets),
    };

    internal static FuzzTarget? Find(IReadOnlyList<FuzzTarget> targets, string name) =>
        targets.FirstOrDefault(target => target.Name == name);

    internal static string Unknown(IReadOnlyList<FuzzTarget> targets, string name) =>
        $"there is no target '{name}'; there are {string.Join(", ", targets.Select(static target => target.Name))}";
}
