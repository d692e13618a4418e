using Policyd.Configuration.Tree;
using Policyd.Engine.Model;
using Policyd.Server.Tls;

namespace Policyd.Server.Loading;

/// <summary>What the files of <c>http { tls { } }</c> hold.</summary>
internal static class HttpFiles
{
    public static void AddTo(DiagnosticBag diagnostics, ConfigObject root, PolicyServerModel model)
    {
        if (model.Options.Http?.Tls is { } tls && HttpCertificate.Check(tls) is var (option, message)
            && root.Find("policyd", "http", "tls") is ConfigObject section)
        {
            diagnostics.Error(section.PositionOf(option), $"http: tls: {option}: {message}");
        }
    }
}
