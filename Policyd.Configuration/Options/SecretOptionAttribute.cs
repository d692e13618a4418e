namespace Policyd.Configuration;

/// <summary>
/// The option's value is a secret: a password, a key, a token. It is masked wherever a value is shown: <c>policyd dump</c>, and what is wrong
/// with a configuration. The declaration holds for every key of the option, <c>uc_X</c> included, and for everything inside an object or a list.
/// </summary>
/// <remarks>
/// For a value that holds a secret among other things, derive an attribute that hides that part alone, as
/// <see cref="SecretInUrlAttribute"/> does. What it cannot read must be hidden whole.
/// </remarks>
[AttributeUsage(AttributeTargets.Property)]
public class SecretOptionAttribute : Attribute
{
    /// <summary>What stands where a secret was.</summary>
    public const string Mask = "***";

    /// <summary>
    /// Whether the messages of the option's own type may be shown, because they never quote its value. Otherwise a message about a value that
    /// does not fit says only what was expected.
    /// </summary>
    public virtual bool MessagesAreSafe => false;

    /// <summary>The value as it may be shown; an empty one stays empty.</summary>
    /// <param name="value">The value in the form that a file has.</param>
    public virtual string Hide(string value) => string.IsNullOrEmpty(value) ? "" : Mask;
}
