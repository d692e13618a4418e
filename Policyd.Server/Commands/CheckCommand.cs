namespace Policyd.Server.Commands;

/// <summary><c>policyd check</c>: every error, warning and notice of a configuration, with its place, and an exit code that a script can use.</summary>
internal static class CheckCommand
{
    public static int Run(string? given, TextWriter output, TextWriter error)
    {
        var configuration = LoadedConfiguration.Read(given);
        if (configuration.Build(error) is null)
        {
            return ExitCode.Config;
        }

        configuration.Document.Diagnostics.WriteTo(error);
        output.WriteLine($"{configuration.Path}: no errors");
        return ExitCode.Ok;
    }
}
