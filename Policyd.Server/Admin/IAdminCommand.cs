using System.Text.Json.Nodes;
using Policyd.Server.Hosting;

namespace Policyd.Server.Admin;

/// <summary>
/// One thing that an operator can ask of the running server. A new one is a class of its own and a line in
/// <see cref="AdminServices"/>; the endpoint knows nothing but the name.
/// </summary>
internal interface IAdminCommand
{
    /// <summary>What the request names, such as <c>counter.get</c>.</summary>
    string Name { get; }

    /// <summary>The arguments that it knows; a request with another is refused before the command runs.</summary>
    IReadOnlyList<string> Arguments { get; }

    /// <summary>How long it may take before its asker is told that it did not answer.</summary>
    TimeSpan Timeout => TimeSpan.FromSeconds(10);

    /// <summary>Does it.</summary>
    /// <exception cref="AdminException">It cannot be done; the operator is told why.</exception>
    Task<JsonNode> RunAsync(AdminArguments arguments, AdminCaller caller, CancellationToken ct);

    /// <summary>
    /// What comes after the answer, a line each, until its asker closes the connection; null: nothing, and the asker may ask again. A line
    /// waits for as long as the asker does not read.
    /// </summary>
    /// <param name="arguments">Those that it was run with; not to be kept.</param>
    IAsyncEnumerable<JsonNode>? Follow(AdminArguments arguments) => null;

    /// <summary>It was done, and its asker has the answer, or is gone: for what would keep the answer from being sent.</summary>
    void OnAnswered()
    {
    }
}

/// <summary>Who asks, as far as the socket tells.</summary>
/// <param name="Text">For the log: <c>uid 0</c>, or an address.</param>
internal sealed record AdminCaller(string Text);

/// <summary>Why a request was not carried out. The message is for the operator, in one line.</summary>
internal sealed class AdminException(string code, string message) : Exception(message)
{
    public string Code { get; } = code;
}

/// <summary>What can go wrong, in words that do not change: a client decides by them.</summary>
internal static class AdminError
{
    /// <summary>The request is none, or its arguments do not fit.</summary>
    public const string BadRequest = "bad_request";

    /// <summary>There is no command of that name: the server is of another version than its client.</summary>
    public const string UnknownCommand = "unknown_command";

    /// <summary>What the arguments name is not there.</summary>
    public const string NotFound = "not_found";

    /// <summary>The arguments name several things; the message tells how to choose.</summary>
    public const string Ambiguous = "ambiguous";

    /// <summary>It cannot be done at the moment: the database is away, the server starts or stops.</summary>
    public const string Unavailable = "unavailable";

    /// <summary>There are as many connections as may be.</summary>
    public const string Busy = "busy";

    /// <summary>No whole request came in time.</summary>
    public const string TimedOut = "timed_out";

    /// <summary>A defect of the server.</summary>
    public const string Internal = "internal";
}
