using Policyd.Configuration.Tree;

namespace Policyd.Server.Loading;

/// <summary>Diagnostics as an operator reads them.</summary>
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
