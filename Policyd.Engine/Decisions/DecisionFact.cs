namespace Policyd.Engine.Decisions;

/// <summary>Something that a plugin read, and what it made of it.</summary>
/// <param name="Name">What was read, such as <c>sender</c>.</param>
/// <param name="Value">What it was; null when it was not there.</param>
/// <param name="ComparedWith">What it was compared with; null when with nothing.</param>
/// <param name="Result">What followed; null when nothing did.</param>
public sealed record DecisionFact(string Name, string? Value, string? ComparedWith, string? Result);
