namespace Policyd.Configuration.Options;

/// <summary>
/// The option's value is a secret: a password, a key, a token. It is masked wherever a value is shown: <c>policyd dump</c>, and what is
/// wrong with a configuration. The declaration holds for every key of the option, <c>uc_X</c> included, and for everything inside an object
/// or a list.
/// </summary>
/// <remarks>
/// For a value that holds a secret among other things, derive an attribute that hides that part alone, as
/// <see cref="SecretInUrlAttribute"/> does. What it cannot read must be hidden whole. An option whose name ends in <c>password</c>,
/// <c>passwd</c>, <c>passphrase</c>, <c>secret</c>, <c>token</c>, <c>api_key</c> or <c>credentials</c> is secret without a declaration.
/// </remarks>
[AttributeUsage(AttributeTargets.Property)]
public class SecretOptionAttribute : Attribute
{
    private static readonly string[] s_names = ["password", "passwd", "passphrase", "secret", "token", "api_key", "apikey", "credentials"];

    /// <summary>What stands where a secret was.</summary>
    public const string Mask = "***";

    /// <summary>
    /// Whether the messages of the option's own type may be shown, because they never quote its value. Otherwise a message about a value
    /// that does not fit says only what was expected.
    /// </summary>
    public virtual bool MessagesAreSafe => false;

    /// <summary>What an author forgot to declare: an option whose name ends in what only a secret is called so.</summary>
    internal static SecretOptionAttribute? ByName(string name) =>
        s_names.Any(end => name.EndsWith(end, StringComparison.Ordinal)) ? new SecretOptionAttribute() : null;

    /// <summary>The value of a key that no option declares, as it may be shown.</summary>
    /// <param name="key">The key of the file.</param>
    /// <param name="value">The value in the form that a file has.</param>
    public static string HideUndeclared(string key, string value) =>
        ByName(key) is { } secret ? secret.Hide(value) : SecretText.Hide(value);

    /// <summary>The value as it may be shown; an empty one stays empty.</summary>
    /// <param name="value">The value in the form that a file has.</param>
    public virtual string Hide(string value) => string.IsNullOrEmpty(value) ? "" : Mask;
}
