namespace Policyd.Configuration.Tree;

/// <summary>How much a diagnostic matters.</summary>
public enum Severity
{
    /// <summary>The configuration cannot be used; the server ends with exit code 78 (EX_CONFIG).</summary>
    Error,

    /// <summary>It can be used, and yet it is probably not what was meant.</summary>
    Warning,

    /// <summary>Worth knowing: an option of mtpolicyd that means nothing here, for example.</summary>
    Notice,
}

/// <summary>A message about a place in a configuration file.</summary>
/// <param name="Severity">How much it matters.</param>
/// <param name="Position">The place.</param>
/// <param name="Message">The message: one line, control characters escaped, safe to log.</param>
public sealed record Diagnostic(Severity Severity, SourcePosition Position, string Message)
{
    /// <summary><c>file:line:column: message</c>; a warning or notice says that it is one.</summary>
    public override string ToString() => Severity switch
    {
        Severity.Warning => $"{Position}: warning: {Message}",
        Severity.Notice => $"{Position}: notice: {Message}",
        _ => $"{Position}: {Message}",
    };
}

/// <summary>Collects what is wrong with a configuration, so that an operator sees all of it at once and not one error a start.</summary>
public sealed class DiagnosticBag
{
    /// <summary>
    /// How many of each severity are kept. More help nobody; one last message says that there are more. Warnings take no room from errors.
    /// </summary>
    public const int MaxKept = 200;

    private readonly List<Diagnostic> _all = [];
    private readonly Dictionary<Severity, int> _added = [];

    /// <summary>All diagnostics, in the order in which they were found.</summary>
    public IReadOnlyList<Diagnostic> All => _all;

    /// <summary>Whether one of them is an error.</summary>
    public bool HasErrors { get; private set; }

    /// <summary>The errors alone.</summary>
    public IEnumerable<Diagnostic> Errors => _all.Where(diagnostic => diagnostic.Severity == Severity.Error);

    /// <summary>Adds an error.</summary>
    /// <param name="position">Its place.</param>
    /// <param name="message">What is wrong and, where it can be said, what was expected.</param>
    public void Error(SourcePosition position, string message) => Add(Severity.Error, position, message);

    /// <summary>Adds a warning.</summary>
    /// <param name="position">Its place.</param>
    /// <param name="message">The message.</param>
    public void Warning(SourcePosition position, string message) => Add(Severity.Warning, position, message);

    /// <summary>Adds a notice.</summary>
    /// <param name="position">Its place.</param>
    /// <param name="message">The message.</param>
    public void Notice(SourcePosition position, string message) => Add(Severity.Notice, position, message);

    private void Add(Severity severity, SourcePosition position, string message)
    {
        HasErrors |= severity == Severity.Error;
        var before = _added.GetValueOrDefault(severity);
        _added[severity] = before + 1;
        if (before < MaxKept)
        {
            _all.Add(new Diagnostic(severity, position, Printable.Line(message)));
        }
        else if (before == MaxKept)
        {
            _all.Add(new Diagnostic(severity, position, "more errors of this severity follow; fix those above first"));
        }
    }
}
