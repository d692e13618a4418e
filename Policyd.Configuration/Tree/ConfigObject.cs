using System.Diagnostics.CodeAnalysis;

namespace Policyd.Configuration.Tree;

/// <summary>One key of an object with its value.</summary>
/// <param name="Key">The key, unquoted; one element of a path, it may hold any character.</param>
/// <param name="KeyPosition">Where the key was written.</param>
/// <param name="Value">The value.</param>
public sealed record ConfigMember(string Key, SourcePosition KeyPosition, ConfigNode Value);

/// <summary>Keys and values in the order of the file; every key is there once.</summary>
public sealed class ConfigObject : ConfigNode
{
    private readonly Dictionary<string, ConfigMember> _byKey;

    /// <summary>Makes an object.</summary>
    /// <param name="members">Its members; of a key given twice the last wins and stands at the first one's place.</param>
    /// <param name="position">Where it begins.</param>
    /// <param name="comments">The comment lines before it.</param>
    /// <param name="inlineComment">The comment on the line of its opening brace.</param>
    /// <param name="closingComments">The comment lines before its closing brace.</param>
    public ConfigObject(
        IEnumerable<ConfigMember> members,
        SourcePosition position,
        IReadOnlyList<string>? comments = null,
        string? inlineComment = null,
        IReadOnlyList<string>? closingComments = null)
        : base(position, comments, inlineComment)
    {
        var ordered = new List<ConfigMember>();
        _byKey = new Dictionary<string, ConfigMember>(StringComparer.Ordinal);
        foreach (var member in members)
        {
            if (_byKey.TryGetValue(member.Key, out var earlier))
            {
                ordered[ordered.IndexOf(earlier)] = member;
            }
            else
            {
                ordered.Add(member);
            }

            _byKey[member.Key] = member;
        }

        Members = ordered;
        ClosingComments = closingComments ?? [];
    }

    /// <summary>The members, in the order of the file.</summary>
    public IReadOnlyList<ConfigMember> Members { get; }

    /// <summary>The comment lines between the last member and the closing brace.</summary>
    public IReadOnlyList<string> ClosingComments { get; }

    /// <summary>
    /// The value of a key, or null when the key is absent. A value written as <c>null</c> is a <see cref="ConfigScalar"/>.
    /// </summary>
    /// <param name="key">The key, case-sensitive.</param>
    public ConfigNode? this[string key] => _byKey.TryGetValue(key, out var member) ? member.Value : null;

    /// <summary>Whether the key is there, be its value null or not.</summary>
    /// <param name="key">The key, case-sensitive.</param>
    public bool Has(string key) => _byKey.ContainsKey(key);

    /// <summary>Finds the member of a key.</summary>
    /// <param name="key">The key, case-sensitive.</param>
    /// <param name="member">The member.</param>
    public bool TryGetMember(string key, [NotNullWhen(true)] out ConfigMember? member) => _byKey.TryGetValue(key, out member);

    /// <summary>The value at a path of keys, or null when a key is absent or something on the way is no object.</summary>
    /// <param name="path">The keys, outermost first.</param>
    public ConfigNode? Find(params ReadOnlySpan<string> path)
    {
        ConfigNode? node = this;
        foreach (var key in path)
        {
            node = (node as ConfigObject)?[key];
        }

        return node;
    }

    /// <summary>The best place for a message about a key: its value, or the object itself when the key is absent.</summary>
    /// <param name="key">The key.</param>
    public SourcePosition PositionOf(string key) => this[key]?.Position ?? Position;

    /// <summary>An object without members.</summary>
    /// <param name="position">The place it stands for.</param>
    public static ConfigObject Empty(SourcePosition position) => new([], position);

    /// <inheritdoc/>
    public override string Describe() => "an object";

    /// <inheritdoc/>
    public override ConfigObject WithComments(IReadOnlyList<string>? comments, string? inlineComment) =>
        new(Members, Position, comments, inlineComment, ClosingComments);
}
