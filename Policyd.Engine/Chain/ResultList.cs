using Policyd.Plugins.Api;

namespace Policyd.Engine.Chain;

/// <summary>The results of a chain so far: a list only from the second action on.</summary>
internal struct ResultList
{
    private string? _first;
    private List<string>? _all;
    private bool _aborts;

    /// <summary>Whether the chain ends with this result.</summary>
    public bool Take(Plugin plugin, PluginResult result, ChainRun run)
    {
        if (!result.IsEmpty)
        {
            run.LastPlugin = plugin.Name;
        }

        if (result.Single is { } action)
        {
            Add(action);
        }
        else if (result.HasMany)
        {
            foreach (var each in result.Actions)
            {
                Add(each);
            }
        }

        return _aborts = result.Aborts;
    }

    public readonly PluginResult ToResult() =>
        _all is not null ? PluginResult.Of(_all, _aborts)
        : _first is null ? (_aborts ? PluginResult.Abort() : PluginResult.Continue)
        : _aborts ? PluginResult.Answer(_first) : PluginResult.Add(_first);

    private void Add(string action)
    {
        if (_first is null)
        {
            _first = action;
        }
        else
        {
            (_all ??= [_first]).Add(action);
        }
    }
}
