using System.CommandLine;
using Policyd.Fuzz.Harness;

namespace Policyd.Fuzz.Commands;

/// <summary>`replay`: executes a target once, with the input that a file holds. Exit code 1 when it fails.</summary>
internal static class ReplayCommand
{
    public static Command Create(IReadOnlyList<FuzzTarget> targets)
    {
        var name = new Argument<string>("target") { Description = "The target." };
        name.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && FuzzCommand.Find(targets, token.Value) is null)
            {
                result.AddError(FuzzCommand.Unknown(targets, token.Value));
            }
        });
        var file = new Argument<FileInfo>("file") { Description = "The input." };
        var command = new Command("replay", "Execute a target once, with the input of a file.") { name, file };
        command.SetAction(result => Replay(
            FuzzCommand.Find(targets, result.GetRequiredValue(name))!, result.GetRequiredValue(file), result.InvocationConfiguration));
        return command;
    }

    private static int Replay(FuzzTarget target, FileInfo file, InvocationConfiguration streams)
    {
        if (!file.Exists)
        {
            streams.Error.WriteLine($"the file {file.FullName} does not exist");
            return 1;
        }

        if (Execution.Run(target, File.ReadAllBytes(file.FullName), out var outcome, out var allocated) is { } failure)
        {
            streams.Output.WriteLine($"{target.Name}: {failure.Kind}: {failure.Message}");
            return 1;
        }

        streams.Output.WriteLine($"{target.Name}: {(outcome.IsAccepted ? "accepted" : "rejected")}, {allocated:N0} bytes allocated: "
            + Check.Shown(outcome.Kind));
        return 0;
    }
}
