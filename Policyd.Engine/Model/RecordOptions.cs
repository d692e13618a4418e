using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using Policyd.Configuration.Values;
using Policyd.Protocol;

namespace Policyd.Engine.Model;

/// <summary>The options of <c>policyd { record { } }</c>: requests are kept with their answers, to be run again by <c>policyd replay</c>.
/// </summary>
public sealed class RecordOptions
{
    private const long LeastBytes = 1024 * 1024;

    /// <summary>The file.</summary>
    [Description("the file, on a local disk; the part before the present one is beside it, with .1 at the end of its name")]
    public required string File { get; set; }

    /// <summary>How large the two files may become together.</summary>
    [Description("the most bytes of both files together; the oldest requests are deleted for the newest")]
    public ByteSize MaxSize { get; set; } = new(1024L * 1024 * 1024);

    /// <summary>Which part of all mails is kept.</summary>
    [Description("which part of all mails is kept, from 0 to 1; all requests of a mail are kept or none"), Range(0.0, 1.0)]
    public double Sample { get; set; } = 1;

    /// <summary>The attributes whose values are not kept.</summary>
    [Description("the attributes whose values are replaced by a hash with a key of this server: equal values stay equal")]
    public IReadOnlyList<string> Mask { get; set; } = [];

    /// <summary>What is wrong with the options together, and with which: the option and the message; null when nothing is.</summary>
    public (string Option, string Message)? Check() =>
        MaxSize.Bytes < LeastBytes ? ("max_size", "must be at least 1 MiB")
        // A name that is not meant would be a value that is not hidden.
        : Mask.FirstOrDefault(static name => !PolicyAttributes.TryFind(name, out _)) is { } unknown
            ? ("mask", $"Postfix sends no attribute \"{unknown}\"")
        : null;
}
