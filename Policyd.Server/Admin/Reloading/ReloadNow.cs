using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using Policyd.Server.Reloading;

namespace Policyd.Server.Admin.Reloading;

/// <summary><c>reload</c>: the configuration is read anew, and taken over when nothing is wrong with it.</summary>
internal sealed partial class ReloadNow(Reloader reloader, ILoggerFactory loggers) : IAdminCommand
{
    private readonly ILogger _logger = loggers.CreateLogger("policyd");

    public string Name => "reload";

    public IReadOnlyList<string> Arguments { get; } = ["path", "dry_run"];

    public TimeSpan Timeout => TimeSpan.FromSeconds(60);

    public async Task<JsonNode> RunAsync(AdminArguments arguments, AdminCaller caller, CancellationToken ct)
    {
        // Whoever may command the server may not have it read any file.
        if (arguments.Text("path") is { } path && !IsSameFile(path, reloader.Path))
        {
            throw new AdminException(AdminError.BadRequest, $"the server was started with {reloader.Path}; it reads no other file");
        }

        var dryRun = arguments.Flag("dry_run");
        if (!dryRun)
        {
            Asked(_logger, caller.Text);
        }

        return ReloadReports.ToNode(await reloader.ReloadAsync(dryRun, ct));
    }

    // An operator may name it by a link, or the server may have been started by one.
    private static bool IsSameFile(string one, string other)
    {
        try
        {
            return one == other || Target(one) == Target(other);
        }
        catch (IOException)
        {
            return false;
        }

        static string Target(string path) => File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;
    }

    [LoggerMessage(EventId = 95, Level = LogLevel.Information, Message = "reload for {Caller}")]
    private static partial void Asked(ILogger logger, string caller);
}
