using System.ComponentModel;
using Policyd.Plugins.Addresses;
using Policyd.Plugins.Api;
using Policyd.Plugins.LookupFiles;
using Policyd.Plugins.Services;

namespace Policyd.Modules;

/// <summary>Whether the client's address, or a network that it is in, stands in a map of Postfix's with OK or a number.</summary>
[Module("PostfixMap")]
[SideEffects]
public sealed class PostfixMapPlugin : LookupPlugin
{
    private IWatchedFile<IReadOnlyDictionary<string, string>>? _map;

    /// <summary>The map.</summary>
    [Description(
        "the map: a .db or .lmdb file written by postmap, or a name as in main.cf: hash:FILE, btree:FILE, lmdb:FILE or texthash:FILE")]
    public required string DbFile { get; set; }

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup) =>
        _map = setup.PostfixMap("db_file", DbFile, "Until it can be read, neither match_action nor not_match_action applies.");

    /// <inheritdoc/>
    public override ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        if (!Enabled.For(context) || ClientAddress.Parse(context.Request.ClientAddress) is not { } client || _map?.Current is not { } map)
        {
            return default;
        }

        // An IPv4 address that is written as IPv6 stands in the map as what it is.
        var isFound = Matches(map, client.IsIPv4() ? client.ToString() : context.Request.ClientAddress.ToLowerInvariant());
        context.Note("client_address", context.Request.ClientAddress, DbFile, isFound ? "found" : "not found");
        return new ValueTask<PluginResult>(Found(context, isFound));
    }

    /// <summary>
    /// The longest that is found decides, as in Postfix's access(5): octets, or groups, are dropped from the right until one is.
    /// </summary>
    private static bool Matches(IReadOnlyDictionary<string, string> map, string address)
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
