using System.Text;
using Policyd.Protocol;

namespace Policyd.Server.Replaying;

/// <summary>
/// The requests that are on their way in a replay, and which others may see the same counter, ticket, trap or entry of an auto-whitelist:
/// those with a common value of one of the attributes. Databases may compare the values more loosely than byte by byte: without case,
/// without spaces at the end, and what is not ASCII in ways that only they know.
/// </summary>
/// <param name="attributes">The attributes; null: any two may meet.</param>
internal sealed class MeetingMails(IReadOnlyList<string>? attributes)
{
    private readonly HashSet<string> _values = new(StringComparer.OrdinalIgnoreCase);
    private bool _meetAny = attributes is null;

    /// <summary>Whether a request may meet one of those that are on their way.</summary>
    public bool MayMeet(PolicyRequest request) =>
        _meetAny || ValuesOf(request).Any(value => !Ascii.IsValid(value) || _values.Contains(value));

    /// <summary>A request is on its way.</summary>
    public void Add(PolicyRequest request)
    {
        foreach (var value in ValuesOf(request))
        {
            _meetAny |= !Ascii.IsValid(value);
            _values.Add(value);
        }
    }

    /// <summary>All of them have ended.</summary>
    public void Clear()
    {
        _values.Clear();
        _meetAny = attributes is null;
    }

    // An auto-whitelist has the sender's domain beside a network of clients.
    private IEnumerable<string> ValuesOf(PolicyRequest request)
    {
        foreach (var name in attributes ?? [])
        {
            if (request[name]?.TrimEnd(' ') is not { Length: > 0 } value)
            {
                continue;
            }

            yield return $"{name}={value}";
            if (name == "sender" && value.LastIndexOf('@') is >= 0 and var at)
            {
                yield return $"{name}={value[at..]}";
            }
        }
    }
}
