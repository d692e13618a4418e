using System.CommandLine;
using Policyd.Fuzz.Harness;

namespace Policyd.Fuzz.Commands;

/// <summary>`list`: the targets, and what each execution checks.</summary>
internal static class ListCommand
{
    public static Command Create(IReadOnlyList<FuzzTarget> targets)
    {
        var command = new Command("list", "List the targets.");
        command.SetAction(result =>
        {
            foreach (var target in targets)
            {
                result.InvocationConfiguration.Output.WriteLine(
                    $"{target.Name,-18} {target.Holds}{(target.Missing is { } reason ? $" (cannot run: {reason})" : "")}");
            }
        });
        return command;
    }
}
