namespace Policyd.Plugins.Api;

/// <summary>
/// What a plugin says of a request: nothing, or actions, and whether the chain ends with it. A struct: saying it costs no allocation.
/// </summary>
public readonly struct PluginResult
{
    // null, one string, or an array: nearly every result has one action at most.
    private readonly object? _actions;

    private PluginResult(object? actions, bool aborts)
    {
        _actions = actions;
        Aborts = aborts;
    }

    /// <summary>Nothing to say; the next plugin runs.</summary>
    public static PluginResult Continue => default;

    /// <summary>Whether the chain ends here.</summary>
    public bool Aborts { get; }

    /// <summary>The actions; one of them, the most restrictive of the chain, becomes the answer.</summary>
    public IReadOnlyList<string> Actions => _actions switch
    {
        null => [],
        string one => [one],
        _ => (string[])_actions,
    };

    /// <summary>Whether the plugin said anything: an action, or the end of the chain.</summary>
    public bool IsEmpty => _actions is null && !Aborts;

    /// <summary>The only action, without making a list; null when there is none or more than one.</summary>
    internal string? Single => _actions as string;

    internal bool HasMany => _actions is string[];

    /// <summary>Answers an action and ends the chain.</summary>
    /// <param name="action">The action, as of access(5).</param>
    public static PluginResult Answer(string action)
    {
        ArgumentNullException.ThrowIfNull(action);
        return new(action, true);
    }

    /// <summary>Puts an action into the answer; the chain goes on.</summary>
    /// <param name="action">The action, as of access(5).</param>
    public static PluginResult Add(string action)
    {
        ArgumentNullException.ThrowIfNull(action);
        return new(action, false);
    }

    /// <summary>Ends the chain without an action of its own.</summary>
    public static PluginResult Abort() => new(null, true);

    /// <summary>Adds a header to the mail the first time, says <c>dunno</c> afterwards; both end the chain.</summary>
    /// <param name="alreadyDone">What <see cref="PluginContext.IsAlreadyDone"/> said.</param>
    /// <param name="name">The header's name.</param>
    /// <param name="value">The header's value.</param>
    public static PluginResult HeaderOnce(bool alreadyDone, string name, string value) =>
        Answer(alreadyDone ? "dunno" : $"PREPEND {name}: {value}");

    internal static PluginResult Of(IReadOnlyList<string> actions, bool aborts) =>
        new(actions.Count switch { 0 => null, 1 => actions[0], _ => actions.ToArray() }, aborts);
}
