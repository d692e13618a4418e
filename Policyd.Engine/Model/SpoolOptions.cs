using System.ComponentModel;
using Policyd.Configuration.Options;
using Policyd.Configuration.Values;

namespace Policyd.Engine.Model;

/// <summary>
/// The options of <c>policyd { spool { } }</c>: where mails are kept on the local disk that are answered while the database is away, so
/// that they are counted even if the server is killed.
/// </summary>
public sealed class SpoolOptions
{
    /// <summary>The folder where neither the configuration nor systemd names one, in the working directory.</summary>
    public const string DefaultFolder = "policyd-spool";

    /// <summary>The folder.</summary>
    [Description(
        "the folder of the spool, on a local disk, or off: keep these mails in memory only; default: spool in the folder of "
            + "STATE_DIRECTORY, which systemd sets, or policyd-spool in the working directory")]
    public string? Directory { get; set; }

    /// <summary>How large it may become.</summary>
    [Description("the most bytes on disk; when it is full, no more mails are taken while the database is away, and on_error decides")]
    public ByteSize MaxSize { get; set; } = new(256 * 1024 * 1024);

    /// <summary>Where the spool lies; null when it is turned off.</summary>
    /// <param name="stateDirectory">The environment's <c>STATE_DIRECTORY</c>: several folders are separated by colons, the first
    /// counts.</param>
    public string? Folder(string? stateDirectory)
    {
        if (Directory is { Length: > 0 })
        {
            return IsOff ? null : Path.GetFullPath(Directory);
        }

        var state = stateDirectory?.Split(':', 2)[0];
        return Path.GetFullPath(string.IsNullOrEmpty(state) ? DefaultFolder : Path.Combine(state, "spool"));
    }

    /// <summary>Whether the folder was given to this service alone.</summary>
    /// <param name="stateDirectory">The environment's <c>STATE_DIRECTORY</c>.</param>
    public bool IsOfThisService(string? stateDirectory) => Directory is { Length: > 0 } || !string.IsNullOrEmpty(stateDirectory);

    [NotAnOption]
    private bool IsOff => string.Equals(Directory, "off", StringComparison.OrdinalIgnoreCase);
}
