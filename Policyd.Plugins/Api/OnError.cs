using Policyd.Configuration.Values;

namespace Policyd.Plugins.Api;

/// <summary>
/// What happens when a plugin throws, hangs or answers what Postfix would not obey: the request fails (no answer, the connection
/// is closed, and Postfix goes by its <c>smtpd_policy_service_default_action</c>), the plugin is skipped, or an action is answered.
/// </summary>
public sealed class OnError : IOptionValue<OnError>
{
    private OnError(string text, string? action)
    {
        Text = text;
        Action = action;
    }

    /// <summary>The request fails; what happens when the option is absent.</summary>
    public static OnError Fail { get; } = new("fail", null);

    /// <summary>The error is logged and the chain goes on.</summary>
    public static OnError Continue { get; } = new("continue", null);

    /// <summary>The option as written.</summary>
    public string Text { get; }

    /// <summary>The action to answer; null for <see cref="Fail"/> and <see cref="Continue"/>.</summary>
    public string? Action { get; }

    /// <summary>Answers an action.</summary>
    /// <param name="action">The action.</param>
    public static OnError Answer(string action) => new(action, action);

    /// <inheritdoc/>
    public static bool TryParse(string text, out OnError? value, out string? error)
    {
        error = null;
        value = text.ToUpperInvariant() switch
        {
            "CONTINUE" => Continue,
            "FAIL" or "CLOSE" => Fail,
            _ => Answer(text),
        };
        return true;
    }

    /// <inheritdoc/>
    public override string ToString() => Text;
}
