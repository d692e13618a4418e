using System.CommandLine;

namespace Policyd.Bench.Commands;

/// <summary>The options that name the servers and the file of the result, the same for each command that starts servers.</summary>
internal static class ServerOptions
{
    public static Option<string[]> Policyd() => new("--policyd")
    {
        Description = "[NAME=]COMMAND: an executable, or a command in which {config} stands for the configuration file; repeatable. "
            + "Default: the one built with this program.",
        DefaultValueFactory = _ => [],
    };

    /// <param name="usual">What is measured without it.</param>
    /// <param name="more">What else is replaced in the file.</param>
    public static Option<string[]> Config(string usual, string more = "") => new("--config")
    {
        Description = $"[NAME=]FILE: a configuration for one server or for all, instead of {usual}; repeatable. {{port}} in it is "
            + "replaced by a free port of 127.0.0.1, {directory} by a fresh directory, {connection} by the options of a connection to a "
            + $"fresh database{more}.",
        DefaultValueFactory = _ => [],
    };

    public static Option<FileInfo?> Json()
    {
        var option = new Option<FileInfo?>("--json") { Description = "Also write everything that was measured to this file." };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<FileInfo?>() is { Directory.Exists: false } file)
            {
                result.AddError($"--json: there is no directory {file.DirectoryName}.");
            }
        });
        return option;
    }
}
