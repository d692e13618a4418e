using Policyd.Configuration.Mtpolicyd;
using Policyd.Server.ExitCodes;
using Policyd.Server.Loading;

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
