using System.Text;
using Policyd.Configuration.Values;
using Policyd.Protocol;

namespace Policyd.Plugins.Api;

/// <summary>An action whose <c>%NAME%</c> places are filled for each request, each at its first occurrence, as mtpolicyd does.</summary>
public sealed class ActionTemplate : IOptionValue<ActionTemplate>
{
    private readonly List<(string Text, bool IsPlace)> _parts = [];

    /// <summary>Makes a template.</summary>
    /// <param name="text">The action.</param>
    public ActionTemplate(string text)
    {
        Text = text;
        Split(text);
    }

    /// <summary>The action as written.</summary>
    public string Text { get; }

    /// <summary>The action with a sample word for each place: what the grammar is asked about before any request is there.</summary>
    public string Sample => Fill(static (_, _) => "x", 0);

    /// <summary>Whether the action has a place.</summary>
    /// <param name="place">Its name without the percent signs.</param>
    public bool Shows(string place) => _parts.Contains((place, true));

    /// <summary>A template of a text.</summary>
    /// <param name="text">The action.</param>
    public static implicit operator ActionTemplate(string text) => new(text);

    /// <inheritdoc/>
    public static bool TryParse(string text, out ActionTemplate? value, out string? error)
    {
        error = null;
        value = new ActionTemplate(text);
        return true;
    }

    /// <summary>The same as the conversion from text.</summary>
    /// <param name="text">The action.</param>
    public static ActionTemplate FromString(string text) => new(text);

    /// <summary>The action for a request. What is filled in is made one safe line first, since it may come from the network.</summary>
    /// <typeparam name="TState">What <paramref name="valueOf"/> needs.</typeparam>
    /// <param name="valueOf">The value of a place by its name without the percent signs; null leaves the place as it is written.</param>
    /// <param name="state">Handed to <paramref name="valueOf"/>.</param>
    public string Fill<TState>(Func<string, TState, string?> valueOf, TState state)
    {
        if (_parts.Count == 0)
        {
            return Text;
        }

        return string.Concat(_parts.Select(part => !part.IsPlace ? part.Text
            : valueOf(part.Text, state) is { } value ? Safe(value) : $"%{part.Text}%"));
    }

    /// <inheritdoc/>
    public override string ToString() => Text;

    /// <summary>
    /// A text of somebody else, made safe to stand in an action: as <see cref="ActionGrammar.Sanitize"/> makes it, and a question mark for
    /// what was no valid UTF-8. That has become U+FFFD, for which the grammar refuses a whole action: a stranger's bytes would fail the
    /// plugin.
    /// </summary>
    /// <param name="value">The text.</param>
    public static string Safe(string value) => ActionGrammar.Sanitize(value).Replace((char)Rune.ReplacementChar.Value, '?');

    private void Split(string text)
    {
        var literal = 0;
        for (var at = text.IndexOf('%', StringComparison.Ordinal); at >= 0; at = text.IndexOf('%', at))
        {
            var end = text.IndexOf('%', at + 1);
            if (end < 0)
            {
                break;
            }

            var name = text[(at + 1)..end];
            if (name.Length == 0 || name.Any(c => !char.IsAsciiLetterUpper(c) && c != '_') || _parts.Contains((name, true)))
            {
                at = end;
                continue;
            }

            _parts.Add((text[literal..at], false));
            _parts.Add((name, true));
            literal = end + 1;
            at = literal;
            if (at >= text.Length)
            {
                break;
            }
        }

        if (_parts.Count > 0)
        {
            _parts.Add((text[literal..], false));
        }
    }
}
