using Policyd.Configuration.Hocon;
using Policyd.Configuration.Tree;

namespace Policyd.Engine.Reloading;

/// <summary>
/// Compares parts of two configurations as they are after all substitutions and includes; places and comments do not count.
/// </summary>
public static class SectionText
{
    /// <summary>Whether both say the same. A section that is not there is not the same as an empty one.</summary>
    /// <param name="one">A section; null when it is not there.</param>
    /// <param name="other">The other one.</param>
    public static bool AreSame(ConfigNode? one, ConfigNode? other) => Of(one) == Of(other);

    /// <summary>The section as text, its secrets included: for comparisons alone.</summary>
    internal static string? Of(ConfigNode? section) => section is null ? null : HoconWriter.WriteJson(section);
}
