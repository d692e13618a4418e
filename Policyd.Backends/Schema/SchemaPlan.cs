namespace Policyd.Backends.Schema;

/// <summary>What the tables of a group lack in a database.</summary>
/// <param name="Found">Their version: that of the table of versions, 1 where that has none, 0 where there are no tables.</param>
/// <param name="Steps">What is to be done, in its order.</param>
internal sealed record SchemaPlan(int Found, IReadOnlyList<SchemaStep> Steps)
{
    public IReadOnlyList<string> Sentences => [.. Steps.Select(step => step.Done).OfType<string>()];
}

/// <summary>A change, and the sentence that tells it.</summary>
/// <param name="Done">The sentence; null for a part of the change before it.</param>
/// <param name="Sql">The statement.</param>
internal readonly record struct SchemaStep(string? Done, string Sql);
