using System.ComponentModel;
using System.Globalization;
using System.Text.Json;
using Policyd.Configuration.Values;
using Policyd.Plugins.Api;
using Policyd.Plugins.Perl;
using Policyd.Plugins.Services;

namespace Policyd.Modules;

/// <summary>Reads a user's settings, a JSON object, from a database into the session, where options with uc_ find them.</summary>
[Module("SqlUserConfig")]
[SideEffects]
public sealed class SqlUserConfigPlugin : Plugin
{
    private SqlLookup _lookup = null!;

    /// <summary>The query.</summary>
    [Description("the query; its single ? is the attribute's value; the first column of the first row is the JSON object")]
    public string SqlQuery { get; set; } = "SELECT config FROM user_config WHERE address=?";

    /// <summary>The attribute.</summary>
    [Description("the request attribute that is looked up"), AttributeName]
    public string Field { get; set; } = "recipient";

    /// <summary>The connection.</summary>
    [Description("the SQL connection")]
    public string Db { get; set; } = "db";

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup)
    {
        _lookup = setup.Query("sql_query", SqlQuery, values: 1, Db)!;
    }

    /// <inheritdoc/>
    public override async ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        if (context.Request[Field] is not { Length: > 0 } value)
        {
            Log(context, $"{Field} is empty; nothing to look up");
            return PluginResult.Continue;
        }

        if (await _lookup.ScalarAsync<string>(context, value).ConfigureAwait(false) is not { Length: > 0 } text)
        {
            Log(context, $"no settings for {value}");
            context.Note(Field, value, "no settings");
            return PluginResult.Continue;
        }

        try
        {
            using var json = StrictJson.Parse(text);
            if (json.RootElement.ValueKind != JsonValueKind.Object)
            {
                Log(context, $"the settings of {value} are not a JSON object");
                return PluginResult.Continue;
            }

            foreach (var setting in json.RootElement.EnumerateObject())
            {
                // null is no value: what the session had goes, and the option's own value counts.
                context.Session[setting.Name] = TextOf(setting.Value);
                context.Note(setting.Name, setting.Value, "set in the session");
            }
        }
        catch (JsonException exception)
        {
            Log(context, $"the settings of {value} are not valid JSON: {StrictJson.Reason(exception)}");
        }

        return PluginResult.Continue;
    }

    /// <summary>A value as the options read it: Perl's true and false are 1 and 0.</summary>
    private static string? TextOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString(),
        JsonValueKind.True => "1",
        JsonValueKind.False => "0",
        JsonValueKind.Null or JsonValueKind.Undefined => null,
        JsonValueKind.Number =>
            value.TryGetInt64(out var whole) ? whole.ToString(CultureInfo.InvariantCulture) : PerlNumber.Format(value.GetDouble()),
        _ => value.GetRawText(),
    };
}

/// <summary>Whether a value is in a list that a database holds.</summary>
[Module("SqlList")]
[SideEffects]
public sealed class SqlListPlugin : LookupPlugin
{
    private SqlLookup _lookup = null!;

    /// <summary>The query.</summary>
    [Description("the query; its single ? is the attribute's value; a row is a match")]
    public string SqlQuery { get; set; } = "SELECT client_ip FROM whitelist WHERE client_ip=INET_ATON(?)";

    /// <summary>The attribute.</summary>
    [Description("the request attribute that is looked up"), AttributeName]
    public string Field { get; set; } = "client_address";

    /// <summary>The connection.</summary>
    [Description("the SQL connection")]
    public string Db { get; set; } = "db";

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup)
    {
        _lookup = setup.Query("sql_query", SqlQuery, values: 1, Db)!;
    }

    /// <inheritdoc/>
    public override async ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        // An empty value is looked up: a client without sasl_username is not on a list of users, and gets not_match_action.
        if (!Enabled.For(context) || context.Request[Field] is not { } value)
        {
            return PluginResult.Continue;
        }

        // Whatever the row holds, also 0 or NULL: the client 0.0.0.0 of a list of numbers is on it.
        return Found(context, await _lookup.AnyAsync(context, value).ConfigureAwait(false));
    }
}
