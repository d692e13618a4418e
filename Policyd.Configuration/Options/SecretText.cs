using System.Text.RegularExpressions;

namespace Policyd.Configuration.Options;

/// <summary>
/// The last net under <see cref="SecretOptionAttribute"/>: in a value that nobody declared secret, what stands before the host of an
/// address is hidden, and whatever follows <c>password=</c>.
/// </summary>
internal static partial class SecretText
{
    public static string Hide(string value) =>
        Password().Replace(UserInfo().Replace(value, SecretOptionAttribute.Mask + "@"), SecretOptionAttribute.Mask);

    [GeneratedRegex(@"(?<=://)[^/\s]*@", RegexOptions.CultureInvariant)]
    private static partial Regex UserInfo();

    [GeneratedRegex(
        @"(?<=\b(?:password|passwd|pwd)\s*=\s*)\S.*", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.Singleline)]
    private static partial Regex Password();
}
