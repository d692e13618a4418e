using System.Text;

namespace Policyd.Protocol;

/// <summary>
/// Walks all attributes of a request as the bytes that came, in the order of arrival; one that came several times stands once, at its
/// first place, with its last value. Makes nothing for the attributes that Postfix has.
/// </summary>
public ref struct RequestAttributes
{
    private readonly PolicyRequest _request;
    private RequestLines _lines;
    private ulong _seen;
    private Dictionary<string, Range>? _others;

    internal RequestAttributes(PolicyRequest request)
    {
        _request = request;
        _lines = new RequestLines(request.Bytes.Span);
    }

    /// <summary>The name of the attribute.</summary>
    public ReadOnlySpan<byte> Name { get; private set; }

    /// <summary>Its value.</summary>
    public ReadOnlySpan<byte> Value { get; private set; }

    /// <summary>Goes to the next attribute; false behind the last.</summary>
    public bool MoveNext()
    {
        while (_lines.MoveNext())
        {
            var line = _lines.Line;
            Name = line[..line.IndexOf((byte)'=')];
            if (PolicyAttributes.TryFind(Name, out var known))
            {
                var bit = 1UL << (int)known;
                if ((_seen & bit) == 0)
                {
                    _seen |= bit;
                    Value = _request.Utf8(known);
                    return true;
                }
            }
            else if ((_others ??= OthersOf(_request)).Remove(Encoding.Latin1.GetString(Name), out var last))
            {
                Value = _request.Bytes.Span[last];
                return true;
            }
        }

        return false;
    }

    // Each with its last value. One pass, since a stranger decides how many there are; as Latin-1 every sequence of bytes is a name of its
    // own.
    private static Dictionary<string, Range> OthersOf(PolicyRequest request)
    {
        var others = new Dictionary<string, Range>(StringComparer.Ordinal);
        var lines = new RequestLines(request.Bytes.Span);
        while (lines.MoveNext())
        {
            var equal = lines.Line.IndexOf((byte)'=');
            if (!PolicyAttributes.TryFind(lines.Line[..equal], out _))
            {
                others[Encoding.Latin1.GetString(lines.Line[..equal])] = (lines.Start + equal + 1)..(lines.Start + lines.Length);
            }
        }

        return others;
    }
}
