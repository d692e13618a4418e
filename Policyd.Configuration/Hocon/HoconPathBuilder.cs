using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Policyd.Configuration.Hocon;

// Puts a path together from the pieces of a key or a substitution: a dot separates elements outside quotes only, white space within
// belongs to the element, and an empty element must be quoted.
internal sealed class HoconPathBuilder
{
    private readonly List<string> _elements = [];
    private readonly StringBuilder _element = new();
    private string _space = "";
    private bool _started;
    private bool _quoted;
    private bool _emptyElement;

    public bool IsEmpty => !_started && _elements.Count == 0;

    public void AddSpace(string space)
    {
        if (!IsEmpty)
        {
            _space += space;
        }
    }

    public void AddQuoted(string text)
    {
        FlushSpace();
        _element.Append(text);
        _started = _quoted = true;
    }

    public void AddUnquoted(string text)
    {
        FlushSpace();
        _started = true;
        var rest = text.AsSpan();
        for (var dot = rest.IndexOf('.'); dot >= 0; dot = rest.IndexOf('.'))
        {
            _element.Append(rest[..dot]);
            EndElement();
            rest = rest[(dot + 1)..];
        }

        _element.Append(rest);
    }

    public bool TryBuild([NotNullWhen(true)] out IReadOnlyList<string>? path, [NotNullWhen(false)] out string? error)
    {
        path = null;
        error = "the path is empty";
        if (IsEmpty)
        {
            return false;
        }

        EndElement();
        error = "an element of the path is empty: a path must not begin or end with '.'; write an empty element as \"\"";
        if (_emptyElement)
        {
            return false;
        }

        path = _elements;
        error = null;
        return true;
    }

    private void FlushSpace()
    {
        _element.Append(_space);
        _space = "";
    }

    private void EndElement()
    {
        _emptyElement |= _element.Length == 0 && !_quoted;
        _elements.Add(_element.ToString());
        _element.Clear();
        _quoted = false;
    }
}
