using Policyd.Server.Loading;
using Policyd.Server.Logging;

namespace Policyd.Server.Reloading;

/// <summary>What differs between the options in effect of two configurations, as an operator reads it.</summary>
internal static class OptionDifference
{
    /// <summary>
    /// Lines that begin with <c>-</c> (no longer so), <c>+</c> (so from now on) or <c>~</c> (a secret that has another value), in the order
    /// of the new configuration. A plugin is known by its name: what moves in a chain is told by the chain's order alone.
    /// </summary>
    public static IReadOnlyList<string> Between(IReadOnlyList<EffectiveOption> before, IReadOnlyList<EffectiveOption> after)
    {
        var (old, now) = (Named(before), Named(after));
        var oldByName = old.ToDictionary(static one => one.Name, static one => one.Option, StringComparer.Ordinal);
        var newNames = now.Select(static one => one.Name).ToHashSet(StringComparer.Ordinal);
        var lines = old.Where(one => !newNames.Contains(one.Name)).Select(static one => $"- {Text(one)}").ToList();
        foreach (var one in now)
        {
            if (!oldByName.TryGetValue(one.Name, out var former))
            {
                lines.Add($"+ {Text(one)}");
            }
            else if (former.Value != one.Option.Value)
            {
                lines.AddRange(former.Text == one.Option.Text
                    ? [$"~ {Text(one)}"]
                    : [$"- {Text((one.Name, former))}", $"+ {Text(one)}"]);
            }
        }

        return lines;
    }

    private static string Text((string Name, EffectiveOption Option) one)
    {
        var under = one.Name[..^one.Option.Name.Length];
        return LogText.OneLine(under + (one.Option.Value is null ? one.Option.Name : one.Option.Text));
    }

    /// <summary>Each option with the headings that it stands under, each name once; and the order of each chain as an option.</summary>
    private static List<(string Name, EffectiveOption Option)> Named(IReadOnlyList<EffectiveOption> options)
    {
        var named = new List<(string Name, EffectiveOption Option)>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        var headings = new List<string>();
        var chains = new Dictionary<string, List<string>>(StringComparer.Ordinal);
        foreach (var option in options)
        {
            headings.RemoveRange(option.Depth, headings.Count - option.Depth);
            var under = string.Concat(headings.Select(static heading => heading + ": "));
            var (unique, again) = (option.Name, 1);
            while (!names.Add(under + unique))
            {
                unique = $"{option.Name} #{++again}";
            }

            // A virtual host's heading has its port.
            var value = option.Value ?? (option.Depth == 0 && option.Text != option.Name ? option.Text : null);
            named.Add((under + unique, option with { Name = unique, Value = value }));
            headings.Add(unique);
            if (option.Text != option.Name && option.Value is null && option.Depth > 0)
            {
                (chains.TryGetValue(under, out var chain) ? chain : chains[under] = []).Add(unique);
            }
        }

        named.AddRange(chains.Where(static chain => chain.Value.Count > 1).Select(static chain => Order(chain.Key, chain.Value)));
        return named;
    }

    private static (string Name, EffectiveOption Option) Order(string under, List<string> plugins)
    {
        const string Name = "order of the plugins";
        var value = string.Join(", ", plugins);
        return (under + Name, new EffectiveOption(0, $"{Name} = {value}", null) { Name = Name, Value = value });
    }
}
