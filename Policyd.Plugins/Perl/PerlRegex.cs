using System.Text.RegularExpressions;
using Policyd.Configuration.Values;

namespace Policyd.Plugins.Perl;

/// <summary>
/// A regular expression as Perl users write it, compiled once. It runs in linear time; only a pattern that needs look-around,
/// back-references or atomic groups runs on the backtracking engine, with a limit of time for each match.
/// </summary>
public sealed class PerlRegex : IOptionValue<PerlRegex>
{
    /// <summary>How long one match of a backtracking pattern may take before the plugin counts as failed.</summary>
    public static readonly TimeSpan MatchTimeout = TimeSpan.FromMilliseconds(250);

    private readonly Regex _regex;

    private PerlRegex(string text, Regex regex)
    {
        Text = text;
        _regex = regex;
    }

    /// <summary>The pattern as written.</summary>
    public string Text { get; }

    /// <summary>Whether the pattern runs in linear time whatever the input.</summary>
    public bool IsLinear => _regex.Options.HasFlag(RegexOptions.NonBacktracking);

    /// <inheritdoc/>
    public static bool TryParse(string text, out PerlRegex? value, out string? error)
    {
        value = null;
        if (!PerlRegexTranslator.TryTranslate(text, out var pattern, out error))
        {
            return false;
        }

        try
        {
            value = new PerlRegex(text, Compile(pattern));
            return true;
        }
        catch (RegexParseException e)
        {
            error = $"\"{text}\" is not a valid regular expression: {e.Error} near character {Math.Min(e.Offset, text.Length)}";
            return false;
        }
    }

    /// <summary>Whether a text matches somewhere.</summary>
    /// <param name="text">The text.</param>
    /// <exception cref="RegexMatchTimeoutException">A backtracking pattern took too long.</exception>
    public bool IsMatch(string text) => _regex.IsMatch(text);

    /// <inheritdoc/>
    public override string ToString() => Text;

    private static Regex Compile(string pattern)
    {
        try
        {
            return new Regex(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
        }
        catch (NotSupportedException)
        {
            return new Regex(pattern, RegexOptions.CultureInvariant, MatchTimeout);
        }
    }
}
