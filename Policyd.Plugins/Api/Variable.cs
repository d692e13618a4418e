using Policyd.Configuration.Values;
using Policyd.Protocol;

namespace Policyd.Plugins.Api;

/// <summary>
/// A value that an option names: <c>request:NAME</c>, <c>r:NAME</c> or plain <c>NAME</c> is an attribute of the request,
/// <c>session:NAME</c> or <c>s:NAME</c> a value of the session.
/// </summary>
public readonly record struct Variable : IOptionValue<Variable>
{
    private readonly PolicyAttribute? _attribute;

    private Variable(string text, bool isSession, string name)
    {
        Text = text;
        IsSession = isSession;
        Name = name;
        if (!isSession && PolicyAttributes.TryFind(name, out var attribute))
        {
            _attribute = attribute;
        }
    }

    /// <summary>The variable as written.</summary>
    public string Text { get; }

    /// <summary>Whether it is a value of the session.</summary>
    public bool IsSession { get; }

    /// <summary>The name without its scope.</summary>
    public string Name { get; }

    /// <inheritdoc/>
    public static bool TryParse(string text, out Variable value, out string? error)
    {
        value = default;
        error = null;
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        var scope = colon < 0 ? "request" : text[..colon];
        var name = text[(colon + 1)..];
        if (scope is not ("request" or "r" or "session" or "s"))
        {
            error = $"\"{scope}\" is not a scope of a variable; expected request:NAME, r:NAME, session:NAME or s:NAME";
        }
        else if (name.Length == 0)
        {
            error = "the variable has no name";
        }
        else
        {
            value = new Variable(text, scope[0] == 's', name);
        }

        return error is null;
    }

    /// <summary>The value for a request; null when there is none.</summary>
    /// <param name="context">The request and its session.</param>
    public string? Read(PluginContext context) =>
        IsSession ? context.Session[Name]
        : _attribute is { } attribute ? context.Request[attribute]
        : context.Request[Name ?? ""];

    /// <inheritdoc/>
    public override string ToString() => Text ?? "";
}
