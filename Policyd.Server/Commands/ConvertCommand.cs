using Policyd.Configuration.Mtpolicyd;
using Policyd.Configuration.Tree;
using Policyd.Server.ExitCodes;

namespace Policyd.Server.Commands;

/// <summary>
/// <c>policyd convert FILE</c>: an mtpolicyd.conf as HOCON on stdout; notices about options without meaning here go to stderr.
/// </summary>
internal static class ConvertCommand
{
    public static int Run(string path, TextWriter output, TextWriter error)
    {
        var document = ConfigurationSearch.Read(path);
        document.Diagnostics.WriteTo(error);
        if (document.Diagnostics.HasErrors)
        {
            return ExitCode.Config;
        }

        output.Write(MtpolicydConverter.ToHocon(document));
        return ExitCode.Ok;
    }
}

internal static class DiagnosticOutput
{
    /// <summary>Every error, warning and notice with its place, one a line.</summary>
    public static void WriteTo(this DiagnosticBag diagnostics, TextWriter error)
    {
        foreach (var diagnostic in diagnostics.All)
        {
            error.WriteLine(Logging.LogText.OneLine(diagnostic.ToString()));
        }
    }
}
