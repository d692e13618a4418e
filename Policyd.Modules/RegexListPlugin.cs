using System.ComponentModel;
using Policyd.Configuration.Options;
using Policyd.Configuration.Sources;
using Policyd.Configuration.Tree;
using Policyd.Plugins.Api;
using Policyd.Plugins.Perl;

namespace Policyd.Modules;

/// <summary>Matches a value against a list of regular expressions; the first that matches counts, and is kept for the mail.</summary>
[Module("RegexList")]
[SideEffects]
public sealed class RegexListPlugin : Plugin, INestedChain
{
    private List<PerlRegex> _list = [];

    /// <summary>Whether the plugin does anything.</summary>
    [Description("off: do nothing")]
    public UserOption<bool> Enabled { get; set; } = new(true);

    /// <summary>The value.</summary>
    [Description("the value to match, such as helo_name or session:KEY")]
    public required Variable Key { get; set; }

    /// <summary>The expressions.</summary>
    [Description("the regular expressions: one, or an array"), OptionList("")]
    public IReadOnlyList<PerlRegex> Regex { get; set; } = [];

    /// <summary>A file of expressions.</summary>
    [Description("a file with one regular expression per line; # starts a comment line")]
    public string? File { get; set; }

    /// <summary>Whether to act when nothing matches.</summary>
    [Description("on: act when none of them matches")]
    public bool Invert { get; set; }

    /// <summary>The score, once a mail.</summary>
    [Description("the score to add, once per mail")]
    public UserOption<double?> Score { get; set; } = new(null);

    /// <summary>The action.</summary>
    [Description("the action to return"), Places]
    public UserOption<ActionTemplate?> Action { get; set; } = new(null);

    /// <inheritdoc/>
    public IPluginChain? Plugins { get; set; }

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup)
    {
        _list = [.. Regex];
        if (_list.RemoveAll(static regex => regex.Text.Length == 0) > 0)
        {
            // As in mtpolicyd. Its text would be kept as the result, and be taken for none.
            setup.Warning("regex", "an empty expression matches every value; write .* if that is meant");
            _list.Add(Everything());
        }

        if (File is { Length: 0 })
        {
            setup.Error("file", "the path is empty");
        }
        else if (File is not null)
        {
            ReadFile(setup, setup.ResolvePath(File));
        }
        else if (_list.Count == 0)
        {
            setup.Warning("key", "the list is empty; set regex or file");
        }
    }

    /// <inheritdoc/>
    public override ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        if (!Enabled.For(context) || Key.Read(context) is not { } value)
        {
            return default;
        }

        var found = FirstMatch(context, value);
        context.Note(Key.Text, value, found, found.Length > 0 ? "match" : "no match");
        if (Logs(context))
        {
            Log(context, found.Length > 0 ? $"{Key} value {value} matches {found}" : $"{Key} value {value} matches nothing");
        }

        if (found.Length > 0 == Invert)
        {
            return default;
        }

        context.AddScoreOnce(Name, Score.For(context));

        return Match.RunAsync(context, Action, Plugins);
    }

    // Kept as text under NAME-result: the expression, or nothing.
    private string FirstMatch(PluginContext context, string value)
    {
        var key = Name + "-result";
        if (context.Session[key] is { } kept)
        {
            return kept;
        }

        var found = _list.Find(regex => regex.IsMatch(value))?.Text ?? "";
        context.Session[key] = found;
        return found;
    }

    private static PerlRegex Everything() =>
        PerlRegex.TryParse(".*", out var regex, out var error) ? regex! : throw new InvalidOperationException(error);

    private void ReadFile(PluginSetup setup, string path)
    {
        try
        {
            RegularFile.Demand(path);
            var number = 0;
            foreach (var line in System.IO.File.ReadLines(path))
            {
                number++;
                var text = line.Trim();
                if (text.Length == 0 || text[0] == '#')
                {
                    continue;
                }

                if (PerlRegex.TryParse(text, out var regex, out var error))
                {
                    _list.Add(regex!);
                }
                else
                {
                    setup.Error(new SourcePosition(path, number, 1), error!);
                }
            }

            if (_list.Count == 0)
            {
                setup.Warning("file", "there is no expression in it");
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            setup.Error("file", $"cannot be read: {e.Message}");
        }
    }
}
