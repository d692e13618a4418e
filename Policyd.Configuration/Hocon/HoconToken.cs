using Policyd.Configuration.Tree;

namespace Policyd.Configuration.Hocon;

internal enum HoconTokenKind
{
    End,
    NewLine,
    Space,
    Comment,
    OpenObject,
    CloseObject,
    OpenArray,
    CloseArray,
    Comma,
    Assign,
    Append,
    Unquoted,
    Quoted,
    Substitution,
}

/// <summary>One token of HOCON. White space is a token: it counts where values are joined.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">Its text: unescaped for a quoted string, the marker included for a comment.</param>
/// <param name="Position">Where it begins.</param>
/// <param name="Path">The path of a substitution; null when it was malformed, which has been reported.</param>
/// <param name="Optional">Whether a substitution is written <c>${?…}</c>.</param>
/// <param name="IsList">Whether a substitution asks for a list in the environment, <c>${X[]}</c>.</param>
internal readonly record struct HoconToken(
    HoconTokenKind Kind,
    string Text,
    SourcePosition Position,
    IReadOnlyList<string>? Path = null,
    bool Optional = false,
    bool IsList = false)
{
    /// <summary>What it is, for a message. Its text is not told: where the syntax is wrong, it may be a piece of a password.</summary>
    public string Describe() => Kind switch
    {
        HoconTokenKind.End => "the end of the file",
        HoconTokenKind.NewLine => "the end of the line",
        HoconTokenKind.Quoted => "a string in quotes",
        HoconTokenKind.Substitution => "a substitution",
        HoconTokenKind.Unquoted => "text",
        _ => $"'{Text}'",
    };
}
