using Policyd.Configuration.Mtpolicyd;
using Policyd.Configuration.Tree;
using Policyd.Engine.Building;
using Policyd.Engine.Model;
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

        var classes = AssumedClasses(document);
        foreach (var name in classes)
        {
            error.WriteLine(Logging.LogText.OneLine(
                $"{path}: warning: \"{name}\" is not a Postfix action; it is taken for one of your smtpd_restriction_classes, and added "
                    + "to restriction_classes"));
        }

        output.Write(MtpolicydConverter.ToHocon(document, classes));
        return ExitCode.Ok;
    }

    // Only the modules know which of their options are actions. What else they say of the file is for check: it may be converted on a host
    // that does not have its files.
    private static List<string> AssumedClasses(ConfigDocument document)
    {
        var classes = new List<string>();
        if (document.Format == ConfigFormat.Mtpolicyd)
        {
            ModelBuilder.Build(
                document with { Diagnostics = new DiagnosticBag() }, new ModelEnvironment { OnlyReads = true, AssumedClasses = classes });
        }

        return [.. classes.Distinct(StringComparer.OrdinalIgnoreCase)];
    }
}
