namespace Policyd.Plugins.Sessions;

/// <summary>A score of a mail.</summary>
/// <param name="Field">The session's field in which it is summed up.</param>
/// <param name="Value">The sum.</param>
/// <param name="Detail">Of what: <c>name=value, name=value</c>.</param>
public sealed record MailScore(string Field, string Value, string Detail)
{
    /// <summary>The field that modules use when none is configured.</summary>
    public const string DefaultField = "score";

    /// <summary>What the field of the details has behind the score's own name.</summary>
    public const string DetailSuffix = "_detail";

    /// <summary>Whether it is the score of that field.</summary>
    public bool IsDefault => Field == DefaultField;
}
