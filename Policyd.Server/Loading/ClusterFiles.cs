using Policyd.Configuration.Tree;
using Policyd.Engine.Clustering;
using Policyd.Engine.Model;

namespace Policyd.Server.Loading;

/// <summary>
/// What the files of <c>cluster { tls { } }</c> hold, judged as the other nodes judge it. A certificate that has expired is a warning: the
/// server answers mails without its cluster, and takes renewed files while it runs.
/// </summary>
internal static class ClusterFiles
{
    private static readonly TimeSpan s_soon = TimeSpan.FromDays(14);

    public static void AddTo(DiagnosticBag diagnostics, ConfigObject root, PolicyServerModel model, DateTimeOffset now)
    {
        if (model.Options.Cluster?.Tls is not { } tls || root.Find("policyd", "cluster", "tls") is not ConfigObject section)
        {
            return;
        }

        var identity = new NodeIdentitySource(tls).Read(
            (option, message) => diagnostics.Error(section.PositionOf(option), $"cluster: tls: {option}: {message}"));
        if (identity is null)
        {
            return;
        }

        var place = section.PositionOf("certificate");
        var subject = $"cluster: tls: certificate: the certificate in {tls.Certificate}";
        if (identity.OwnFault(now) is { } fault)
        {
            if (fault.IsOfTime)
            {
                diagnostics.Warning(place, $"{subject} {fault.Message}; the other nodes refuse this one until the files are renewed");
            }
            else
            {
                diagnostics.Error(place, $"{subject} {fault.Message}; the other nodes would refuse this one");
            }
        }
        else if (identity.Certificate.NotAfter - now.LocalDateTime < s_soon)
        {
            diagnostics.Warning(place, $"{subject} expires at {identity.ValidUntil}; renew it, or the other nodes refuse this one then");
        }
    }
}
