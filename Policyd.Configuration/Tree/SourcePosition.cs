namespace Policyd.Configuration.Tree;

/// <summary>The place in a file where a piece of configuration was written, so that every error can name it.</summary>
/// <param name="File">The file as the reader was given it (a path, or a label such as <c>&lt;text&gt;</c>).</param>
/// <param name="Line">The line, from 1; 0 when the place is the file as a whole.</param>
/// <param name="Column">The column in UTF-16 units, from 1; 0 when the place is the file as a whole.</param>
public readonly record struct SourcePosition(string File, int Line, int Column)
{
    /// <summary>The file as a whole: for errors that come before its first character (absent, unreadable, too large).</summary>
    /// <param name="file">The file's path.</param>
    public static SourcePosition WholeFile(string file) => new(file, 0, 0);

    /// <summary>
    /// <c>file:line:column</c>, the form that editors and terminals turn into a link; the file alone when no line is known.
    /// </summary>
    public override string ToString() => Line > 0 ? $"{File}:{Line}:{Column}" : File ?? "";

    /// <summary>The place for a message about another place: <c>line:column</c> when the file is the same, else with the file.</summary>
    /// <param name="other">The place that the message itself is reported at.</param>
    public string RelativeTo(SourcePosition other) => Line > 0 && File == other.File ? $"{Line}:{Column}" : ToString();
}
