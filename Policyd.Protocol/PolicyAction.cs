namespace Policyd.Protocol;

/// <summary>An action that Postfix obeys.</summary>
/// <param name="Kind">What Postfix does with it.</param>
/// <param name="Text">The whole text behind <c>action=</c>.</param>
public readonly record struct PolicyAction(ActionKind Kind, string Text)
{
    /// <summary>Reads an action by a grammar; the error says what is wrong with it.</summary>
    public static bool TryParse(string text, ActionGrammar grammar, out PolicyAction action, out string? error)
    {
        ArgumentNullException.ThrowIfNull(grammar);
        error = grammar.Check(text);
        action = error is null ? new PolicyAction(ActionGrammar.KindOf(text), text) : default;
        return error is null;
    }
}
