using System.ComponentModel;
using Policyd.Plugins.Api;

namespace Policyd.Modules;

// The small modules: each is a few lines on top of the API.

/// <summary>Answers an action.</summary>
[Module("Action")]
[KeepsNothing]
[SideEffects]
public sealed class ActionPlugin : Plugin
{
    /// <summary>The action.</summary>
    [Description("the action to return"), Places]
    public required ActionTemplate Action { get; set; }

    /// <inheritdoc/>
    public override ValueTask<PluginResult> RunAsync(PluginContext context) => new(PluginResult.Answer(Action.Text));
}

/// <summary>Sets a value in the session.</summary>
[Module("SetField")]
[KeepsNothing]
[SideEffects]
public sealed class SetFieldPlugin : Plugin
{
    /// <summary>The key.</summary>
    [Description("the session key")]
    public required string Key { get; set; }

    /// <summary>The value.</summary>
    [Description("the value to set")]
    public required string Value { get; set; }

    /// <inheritdoc/>
    public override ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        context.Note(Key, Value, "set in the session");
        context.Session[Key] = Value;
        return default;
    }
}

/// <summary>Removes values from the session.</summary>
[Module("ClearFields")]
[KeepsNothing]
[SideEffects]
public sealed class ClearFieldsPlugin : Plugin
{
    /// <summary>Keys to remove.</summary>
    [Description("the session keys to remove")]
    public IReadOnlyList<string> Fields { get; set; } = [];

    /// <summary>Beginnings of keys to remove.</summary>
    [Description("the prefixes of session keys to remove")]
    public IReadOnlyList<string> FieldsPrefix { get; set; } = [];

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup)
    {
        if (Fields.Count + FieldsPrefix.Count == 0)
        {
            setup.Warning("fields", "nothing is removed; set fields or fields_prefix");
        }
    }

    /// <inheritdoc/>
    public override ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        var session = context.Session;
        foreach (var field in Fields)
        {
            session.Remove(field);
        }

        if (FieldsPrefix.Count > 0)
        {
            foreach (var key in session.Keys)
            {
                if (FieldsPrefix.Any(prefix => key.StartsWith(prefix, StringComparison.Ordinal)))
                {
                    session.Remove(key);
                }
            }
        }

        return default;
    }
}

/// <summary>Runs its chain and keeps the chain's actions in the session; answers nothing.</summary>
[Module("Eval")]
[KeepsNothing]
[SideEffects]
public sealed class EvalPlugin : Plugin, INestedChain
{
    /// <summary>The key.</summary>
    [Description("the session key that stores the actions; several are separated by line feeds")]
    public required string StoreIn { get; set; }

    /// <inheritdoc/>
    public IPluginChain? Plugins { get; set; }

    /// <inheritdoc/>
    public bool KeepsActions => true;

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup)
    {
        if (Plugins is null)
        {
            setup.Warning("plugins", "the plugin has no nested chain (plugins) to run");
        }
    }

    /// <inheritdoc/>
    public override async ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        if (Plugins is not null)
        {
            var result = await Plugins.RunAsync(context).ConfigureAwait(false);
            context.Session[StoreIn] = string.Join('\n', result.Actions);
        }

        return default;
    }
}

/// <summary>Answers, or runs its chain, while Postfix is under stress.</summary>
[Module("Stress")]
[KeepsNothing]
[SideEffects]
public sealed class StressPlugin : Plugin, INestedChain
{
    /// <summary>The action.</summary>
    [Description("the action to return while the request has stress=yes"), Places]
    public UserOption<ActionTemplate?> Action { get; set; } = new(null);

    /// <inheritdoc/>
    public IPluginChain? Plugins { get; set; }

    /// <inheritdoc/>
    public override ValueTask<PluginResult> RunAsync(PluginContext context) =>
        IsStressed(context) ? Match.RunAsync(context, Action, Plugins) : default;

    private static bool IsStressed(PluginContext context)
    {
        var stress = context.Request.Stress;
        context.Note("stress", stress);
        return stress == "yes";
    }
}

// What a module that matched does: its action, else its chain, else nothing.
internal static class Match
{
    public static ValueTask<PluginResult> RunAsync(PluginContext context, UserOption<ActionTemplate?> action, IPluginChain? nested) =>
        action.For(context) is { } own ? new ValueTask<PluginResult>(PluginResult.Answer(own.Text))
        : nested?.RunAsync(context) ?? default;
}
