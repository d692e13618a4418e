using Policyd.Engine.Model;

namespace Policyd.Server.Loading;

/// <summary>
/// What a model cannot know of itself: the time zone, its certificates' files, the state of its tables, the places that it writes to.
/// </summary>
internal static class StartChecks
{
    // A database that needs longer to say of which version its tables are holds up no start: what uses them refuses them then.
    private static readonly TimeSpan s_tablesTime = TimeSpan.FromSeconds(0.5);

    /// <summary>Adds what is wrong to the diagnostics of the configuration.</summary>
    public static async Task AddToAsync(LoadedConfiguration configuration, PolicyServerModel model, CancellationToken ct)
    {
        var (diagnostics, root) = (configuration.Document.Diagnostics, configuration.Document.Root);
        TimeZoneCheck.AddTo(diagnostics, root);
        ClusterFiles.AddTo(diagnostics, root, model, DateTimeOffset.UtcNow);
        HttpFiles.AddTo(diagnostics, root, model);
        (await OwnTablesCheck.LookAsync(model, s_tablesTime, ct)).AddTo(diagnostics, model);
        if (!diagnostics.HasErrors)
        {
            WritablePlaces.AddTo(diagnostics, root, model);
        }
    }
}
