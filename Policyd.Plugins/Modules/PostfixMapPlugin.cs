using System.ComponentModel;
using Policyd.Plugins.Addresses;
using Policyd.Plugins.Api;
using Policyd.Plugins.LookupFiles;

namespace Policyd.Plugins.Modules;

/// <summary>Whether the client's address, or a network that it is in, stands in a map of Postfix's with OK or a number.</summary>
[Module("PostfixMap")]
public sealed class PostfixMapPlugin : Plugin
{
    private ReloadedFile<Dictionary<string, string>>? _map;

    /// <summary>Whether it looks.</summary>
    [Description("off: do nothing")]
    public UserOption<bool> Enabled { get; set; } = new(true);

    /// <summary>The map.</summary>
    [Description("the map: the .db file that postmap made, or its name as in main.cf, hash:FILE, btree:FILE or texthash:FILE")]
    public required string DbFile { get; set; }

    /// <summary>The score of a match.</summary>
    [Description("the score to add, once a mail, when it matches")]
    public double? Score { get; set; }

    /// <summary>The action of a match.</summary>
    [Description("the action to answer when it matches")]
    public ActionTemplate? MatchAction { get; set; }

    /// <summary>The action of no match.</summary>
    [Description("the action to answer when it does not match")]
    public ActionTemplate? NotMatchAction { get; set; }

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup)
    {
        if (PostfixMap.Of(DbFile, setup.ResolvePath, out var error) is not { } map)
        {
            setup.Error("db_file", error);
            return;
        }

        _map = new ReloadedFile<Dictionary<string, string>>(map.Path, map.Read, setup.Clock, setup.Logger, Name);
        try
        {
            _map.Load();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            setup.Warning("db_file", $"{e.Message} Nothing matches, and nothing fails to, until it can be read.");
        }
    }

    /// <inheritdoc/>
    public override ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        if (!Enabled.For(context) || ClientAddress.Parse(context.Request.ClientAddress) is null || _map?.Current is not { } map)
        {
            return default;
        }

        if (!Matches(map, context.Request.ClientAddress.ToLowerInvariant()))
        {
            return NotMatchAction is { } other ? new(PluginResult.Answer(other.Text)) : default;
        }

        context.AddScoreOnce(Name, Score);
        return MatchAction is { } action ? new(PluginResult.Answer(action.Text)) : default;
    }

    /// <summary>The longest that is found decides, as in Postfix's access(5): octets, or groups, are dropped from the right until one is.</summary>
    private static bool Matches(Dictionary<string, string> map, string address)
    {
        var separator = address.Contains(':', StringComparison.Ordinal) ? ':' : '.';
        for (var text = address; text.Length > 0; text = text.LastIndexOf(separator) is >= 0 and var end ? text[..end] : "")
        {
            if (map.TryGetValue(text, out var value))
            {
                return value == "OK" || (value.Length > 0 && value.All(char.IsAsciiDigit));
            }
        }

        return false;
    }
}
