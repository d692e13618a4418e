namespace Policyd.Server.Commands;

/// <summary><c>policyd check</c>: every error, warning and notice of a configuration, with its place, and an exit code that a script can use.</summary>
internal static class CheckCommand
{
    public static int Run(string? given, TextWriter output, TextWriter error)
    {
        var path = ConfigurationSearch.Find(given);
        var document = ConfigurationSearch.Read(path);
        document.Diagnostics.WriteTo(error);
        if (document.Diagnostics.HasErrors)
            return ExitCode.Config;
        output.WriteLine($"{path}: no errors");
        output.Flush();
        return ExitCode.Ok;
    }
}
