using System.Collections.Frozen;
using System.Text;

namespace Policyd.Protocol;

/// <summary>How an action stands with Postfix.</summary>
public enum ActionVerdict
{
    /// <summary>Postfix obeys it.</summary>
    Fits,

    /// <summary>
    /// One word that Postfix does not know of itself. It may be a restriction class of the operator's; otherwise Postfix answers every
    /// mail with 451.
    /// </summary>
    UnknownWord,

    /// <summary>Postfix does not obey it, or takes it for something else than it says.</summary>
    Wrong,
}

/// <summary>
/// Which actions Postfix obeys: access(5), and the pitfalls that were measured with a real one (an empty action and a reply code without
/// a text are permits; an unknown word, and a colon in a list of restrictions, a 451 for everyone). Immutable.
/// </summary>
public sealed class ActionGrammar
{
    /// <summary>The longest text behind <c>action=</c> that is sent, in bytes of UTF-8: Postfix cuts its SMTP reply at 510.</summary>
    public const int MaxTextBytes = 450;

    // A word that is shown to the operator may come from a stranger's server.
    private const int MostShown = 60;

    private const string UseClass = "define a class in smtpd_restriction_classes and use its name instead";

    private static readonly char[] s_listSeparators = [' ', '\t', ','];

    private static readonly FrozenDictionary<string, ActionKind> s_words = new Dictionary<string, ActionKind>(
        StringComparer.OrdinalIgnoreCase)
    {
        ["OK"] = ActionKind.Ok,
        ["RELAY"] = ActionKind.Relay,
        ["REJECT"] = ActionKind.Reject,
        ["DEFER"] = ActionKind.Defer,
        ["DEFER_IF_REJECT"] = ActionKind.DeferIfReject,
        ["DEFER_IF_PERMIT"] = ActionKind.DeferIfPermit,
        ["BCC"] = ActionKind.Bcc,
        ["DISCARD"] = ActionKind.Discard,
        ["DUNNO"] = ActionKind.Dunno,
        ["FILTER"] = ActionKind.Filter,
        ["HOLD"] = ActionKind.Hold,
        ["INFO"] = ActionKind.Info,
        ["WARN"] = ActionKind.Warn,
        ["PREPEND"] = ActionKind.Prepend,
        ["REDIRECT"] = ActionKind.Redirect,
    }.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);

    private static readonly FrozenDictionary<string, ActionKind>.AlternateLookup<ReadOnlySpan<char>> s_wordsBySpan =
        s_words.GetAlternateLookup<ReadOnlySpan<char>>();

    private readonly FrozenSet<string> _classes;

    private ActionGrammar(FrozenSet<string> classes) => _classes = classes;

    /// <summary>The grammar of a Postfix without restriction classes of its own.</summary>
    public static ActionGrammar Default { get; } = new(FrozenSet<string>.Empty);

    /// <summary>
    /// What Postfix takes a text for, by its first word. Says nothing on whether the rest of it fits. A reply code without a text is
    /// digits alone, and thus <see cref="ActionKind.Ok"/>: Postfix permits.
    /// </summary>
    public static ActionKind KindOf(ReadOnlySpan<char> action)
    {
        var word = FirstWord(action);
        return s_wordsBySpan.TryGetValue(word, out var kind) ? kind
            : IsDigits(action) ? ActionKind.Ok
            : IsReplyCode(word) && !action[word.Length..].IsWhiteSpace() ? ActionKind.ReplyCode
            : ActionKind.Restriction;
    }

    /// <summary>The same grammar with the operator's own classes, as in main.cf's <c>smtpd_restriction_classes</c>.</summary>
    public ActionGrammar WithRestrictionClasses(IEnumerable<string> names) =>
        new(_classes.Concat(names).ToFrozenSet(StringComparer.OrdinalIgnoreCase));

    /// <summary>Whether both take the same actions.</summary>
    /// <param name="other">The other grammar.</param>
    public bool IsSameAs(ActionGrammar other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return _classes.SetEquals(other._classes);
    }

    /// <summary>What is wrong with an action, in words for the operator; null when Postfix obeys it.</summary>
    public string? Check(string action)
    {
        Judge(action, out var problem);
        return problem;
    }

    /// <summary>Judges an action; <paramref name="problem"/> is null only when it fits.</summary>
    public ActionVerdict Judge(string action, out string? problem)
    {
        ArgumentNullException.ThrowIfNull(action);
        problem = CheckText(action);
        if (problem is not null)
        {
            return ActionVerdict.Wrong;
        }

        var word = FirstWord(action);
        var rest = action.AsSpan(word.Length).Trim();
        var kind = KindOf(action);
        if (IsReplyCode(word) && rest.IsEmpty)
        {
            problem = $"Postfix treats \"{word}\" without a text as permit; write {word} followed by a text";
            return ActionVerdict.Wrong;
        }

        if (kind == ActionKind.Restriction)
        {
            return JudgeRestrictions(action, out problem);
        }

        problem = CheckArgument(kind, word, rest);
        return problem is null ? ActionVerdict.Fits : ActionVerdict.Wrong;
    }

    /// <summary>
    /// Makes a text safe to send, whatever went into it: control characters and line ends become spaces, broken UTF-16 becomes U+FFFD,
    /// and what is beyond <see cref="MaxTextBytes"/> is cut at a character's end. A text that is fine is returned as it is.
    /// </summary>
    public static string Sanitize(string action)
    {
        ArgumentNullException.ThrowIfNull(action);
        if (action.Length <= MaxTextBytes && !action.AsSpan().ContainsAnyExceptInRange(' ', '~'))
        {
            return action;
        }

        var safe = new StringBuilder(action.Length);
        var bytes = 0;
        foreach (var rune in action.EnumerateRunes())
        {
            bytes += rune.Utf8SequenceLength;
            if (bytes > MaxTextBytes)
            {
                break;
            }

            safe.Append(Rune.IsControl(rune) ? " " : rune.ToString());
        }

        return safe.ToString().TrimEnd();
    }

    private static string? CheckText(string action)
    {
        if (action.Length == 0)
        {
            return "the action is empty, which Postfix treats as permit; for no decision use dunno";
        }

        if (char.IsWhiteSpace(action[0]))
        {
            return "the action begins with a space; Postfix would answer the client with 451";
        }

        foreach (var rune in action.EnumerateRunes())
        {
            if (Rune.IsControl(rune))
            {
                return "the action contains a control character or line end; it must be one line of text";
            }

            if (rune == Rune.ReplacementChar)
            {
                return "the action is not valid UTF-8";
            }
        }

        return null;
    }

    private static string? CheckArgument(ActionKind kind, ReadOnlySpan<char> word, ReadOnlySpan<char> rest) => kind switch
    {
        ActionKind.Prepend when !IsHeader(rest) => "PREPEND needs a header, such as PREPEND X-Name: value",
        ActionKind.Filter when !IsTransport(rest) => "FILTER needs transport:destination",
        ActionKind.Redirect or ActionKind.Bcc when !IsAddress(rest) => $"{word} needs an address, user@domain",
        _ => null,
    };

    private ActionVerdict JudgeRestrictions(string action, out string? problem)
    {
        problem = null;
        var words = action.Split(s_listSeparators, StringSplitOptions.RemoveEmptyEntries);
        for (var index = 0; index < words.Length && problem is null; index++)
        {
            var word = words[index];
            if (!SmtpdRestrictions.All.Contains(word) && !_classes.Contains(word))
            {
                problem = Explain(word, words.Length > 1);
                if (words.Length == 1 && MayBeClass(word))
                {
                    return ActionVerdict.UnknownWord;
                }
            }
            else if (SmtpdRestrictions.TakingArgument.Contains(word) && ++index == words.Length)
            {
                problem = $"\"{word}\" needs an argument after it";
            }
        }

        // Postfix looks for a colon anywhere in the list before it looks at the words: tables must be opened before smtpd gives up its
        // rights.
        problem ??= words.Length == 0 ? "the action contains only separators"
            : action.Contains(':', StringComparison.Ordinal)
                ? $"\"{Shortened(action)}\" contains a colon, so Postfix would treat it as a lookup table and answer "
                    + $"the client with 451; {UseClass}"
                : null;
        return problem is null ? ActionVerdict.Fits : ActionVerdict.Wrong;
    }

    private bool MayBeClass(string word) => IsName(word) && !IsDigits(word) && !IsHangup(word) && Suggestion(word) is null;

    private string Explain(string word, bool inList)
    {
        var shown = Shortened(word);
        if (word.Contains(':', StringComparison.Ordinal))
        {
            return $"\"{shown}\" is a lookup table; Postfix allows none in an action and would answer the client with 451; {UseClass}";
        }

        if (IsDigits(word))
        {
            return $"\"{shown}\" with a text is not an action; a reply code is 4NN or 5NN";
        }

        if (IsHangup(word))
        {
            return "HANGUP is an unsupported test feature of Postfix; to disconnect, use 421 or 521 followed by a text";
        }

        if (inList && s_words.ContainsKey(word))
        {
            return $"\"{word}\" must stand alone; Postfix allows only restrictions in a list";
        }

        return Suggestion(word) is { } close
            ? $"\"{shown}\" is not a Postfix action; did you mean {close}?"
            : $"\"{shown}\" is not a Postfix action; if it is one of your smtpd_restriction_classes, add it to restriction_classes";
    }

    private static string Shortened(string text) => text.Length <= MostShown ? text : text[..MostShown] + "…";

    private string? Suggestion(string word) =>
        EditDistance.Closest(
            word.ToLowerInvariant(), s_words.Keys.Select(one => one.ToLowerInvariant()).Concat(SmtpdRestrictions.All).Concat(_classes));

    /// <summary>
    /// As Postfix cuts it: a comma belongs to the word here, so that "dunno,reject" is a list, and one that it does not know.
    /// </summary>
    /// <summary>The word that tells what Postfix takes an action for; the text behind it may be anybody's.</summary>
    /// <param name="action">The action.</param>
    public static ReadOnlySpan<char> FirstWord(ReadOnlySpan<char> action)
    {
        var end = action.IndexOfAny(' ', '\t');
        return end < 0 ? action : action[..end];
    }

    private static bool IsHangup(ReadOnlySpan<char> word) => word.Equals("HANGUP", StringComparison.OrdinalIgnoreCase);

    private static bool IsReplyCode(ReadOnlySpan<char> word) => word.Length == 3 && word[0] is '4' or '5' && IsDigits(word);

    private static bool IsDigits(ReadOnlySpan<char> word) => !word.IsEmpty && !word.ContainsAnyExceptInRange('0', '9');

    private static bool IsName(ReadOnlySpan<char> word)
    {
        foreach (var letter in word)
        {
            if (!char.IsAsciiLetterOrDigit(letter) && letter is not '_' and not '-')
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>RFC 5322, 2.2: a field name is printable ASCII without the colon that ends it.</summary>
    private static bool IsHeader(ReadOnlySpan<char> rest)
    {
        var colon = rest.IndexOf(':');
        return colon > 0 && !rest[..colon].ContainsAnyExceptInRange('!', '~');
    }

    private static bool IsTransport(ReadOnlySpan<char> rest) => rest.IndexOf(':') > 0 && !rest.Contains(' ');

    private static bool IsAddress(ReadOnlySpan<char> rest) =>
        rest.IndexOf('@') > 0 && rest.LastIndexOf('@') < rest.Length - 1 && !rest.Contains(' ');
}
