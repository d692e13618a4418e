using System.Collections.Frozen;
using System.Text;

namespace Policyd.Protocol;

/// <summary>
/// The names of the attributes on the wire, in both directions. The way from bytes to attribute runs for every line of every
/// request: it picks the few names of the same length and compares bytes, and makes no string.
/// </summary>
public static class PolicyAttributes
{
    private static readonly string[] s_names = [.. Enum.GetNames<PolicyAttribute>().Select(SnakeCase)];
    private static readonly (byte[] Name, PolicyAttribute Attribute)[][] s_byLength = IndexByLength();
    private static readonly FrozenDictionary<string, PolicyAttribute> s_byName =
        Enum.GetValues<PolicyAttribute>().ToFrozenDictionary(NameOf, StringComparer.Ordinal);

    /// <summary>How many attributes have a name of their own here.</summary>
    public static int Count => s_names.Length;

    /// <summary>The name on the wire, such as <c>client_address</c>.</summary>
    public static string NameOf(PolicyAttribute attribute) => s_names[(int)attribute];

    /// <summary>Finds the attribute of a name in ASCII bytes; names are case-sensitive.</summary>
    public static bool TryFind(ReadOnlySpan<byte> name, out PolicyAttribute attribute)
    {
        if (name.Length < s_byLength.Length)
        {
            foreach (var (known, found) in s_byLength[name.Length])
            {
                if (name.SequenceEqual(known))
                {
                    attribute = found;
                    return true;
                }
            }
        }

        attribute = default;
        return false;
    }

    /// <summary>Finds the attribute of a name; names are case-sensitive.</summary>
    public static bool TryFind(string name, out PolicyAttribute attribute)
    {
        ArgumentNullException.ThrowIfNull(name);
        return s_byName.TryGetValue(name, out attribute);
    }

    private static string SnakeCase(string member)
    {
        var name = new StringBuilder();
        foreach (var letter in member)
        {
            if (char.IsUpper(letter) && name.Length > 0)
            {
                name.Append('_');
            }

            name.Append(char.ToLowerInvariant(letter));
        }

        return name.ToString();
    }

    private static (byte[] Name, PolicyAttribute Attribute)[][] IndexByLength()
    {
        var known = s_names.Select((name, index) => (Name: Encoding.ASCII.GetBytes(name), Attribute: (PolicyAttribute)index)).ToArray();
        return [.. Enumerable.Range(0, known.Max(one => one.Name.Length) + 1)
            .Select(length => known.Where(one => one.Name.Length == length).ToArray())];
    }
}
