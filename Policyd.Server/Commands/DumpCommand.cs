// What the server would do with a configuration, defaults included: the answer to "which value counts, and where does it
// come from". Every line ends with its origin as a comment.

using Policyd.Server.ExitCodes;
using Policyd.Server.Loading;

namespace Policyd.Server.Commands;

/// <summary><c>policyd dump</c> and <c>-d</c>: the virtual hosts and every effective option with its place, or "default".</summary>
internal static class DumpCommand
{
    public static int Run(string? given, TextWriter output, TextWriter error)
    {
        var configuration = LoadedConfiguration.Read(given);
        if (configuration.Build(error) is not { } model)
        {
            return ExitCode.Config;
        }

        output.WriteLine($"# {Logging.LogText.OneLine(configuration.Path)}");
        foreach (var (depth, text, origin) in EffectiveOptions.Of(model))
        {
            var line = new string(' ', 2 * depth) + Logging.LogText.OneLine(text);
            output.WriteLine(origin is null ? line : $"{line,-56}  # {Logging.LogText.OneLine(origin)}");
        }

        return ExitCode.Ok;
    }
}
