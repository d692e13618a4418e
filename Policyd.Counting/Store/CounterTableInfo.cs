using Policyd.Plugins.Counters;

namespace Policyd.Counting.Store;

/// <summary>What a prepared counter table can hold, and what was done to it.</summary>
/// <param name="Table">The table.</param>
/// <param name="Folding">
/// Which keys are one for it (by MySQL's default collations <c>Bob</c> and <c>bob</c> are one row): they must be one
/// <see cref="CounterKey"/> too; <see cref="CounterKeyText.ForTable"/> sees to it.
/// </param>
/// <param name="MaxKeyLength">The longest key it holds, in characters.</param>
/// <param name="Repertoire">The characters it holds.</param>
/// <param name="Done">Plain sentences for the log, one for each change that was made; empty when the table was ready.</param>
public sealed record CounterTableInfo(
    string Table, KeyFolding Folding, int MaxKeyLength, TextRepertoire Repertoire, IReadOnlyList<string> Done)
{
    /// <summary>
    /// Plain sentences for the log: settings of the database's server by which a commit that was answered may yet be lost, and collations
    /// that are not known in full.
    /// </summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];
}

/// <summary>The characters that a column's character set can hold.</summary>
public enum TextRepertoire
{
    /// <summary>All of Unicode (UTF-8).</summary>
    Unicode,

    /// <summary>Unicode's basic plane (MySQL's three-byte <c>utf8</c>).</summary>
    BasicPlane,

    /// <summary>ISO 8859-1.</summary>
    Latin1,

    /// <summary>ASCII, and any character set whose repertoire is not known here.</summary>
    Ascii,
}
