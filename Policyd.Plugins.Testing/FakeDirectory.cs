using System.Collections.Concurrent;
using Policyd.Plugins.Ldap;

namespace Policyd.Plugins.Testing;

/// <summary>A directory that answers what a test says; any other search finds nothing.</summary>
public sealed class FakeDirectory : ILdapDirectory
{
    private readonly ConcurrentDictionary<string, LdapEntry[]> _answers = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<string> _asked = new();

    /// <summary>Whether every search fails with an <see cref="LdapException"/>.</summary>
    public bool IsAway { get; set; }

    /// <summary>The filters of the searches, in their order.</summary>
    public IReadOnlyList<string> Asked => [.. _asked];

    /// <inheritdoc/>
    TimeSpan ILdapDirectory.Timeout => TimeSpan.FromSeconds(5);

    /// <summary>Says what a search finds.</summary>
    /// <param name="filter">The filter with the value in it, escaped, such as <c>(uid=joe)</c>.</param>
    /// <param name="entries">The entries.</param>
    public void Answer(string filter, params LdapEntry[] entries) => _answers[filter] = entries;

    /// <inheritdoc/>
    ValueTask<LdapResult> ILdapDirectory.SearchAsync(LdapSearch search, CancellationToken ct)
    {
        _asked.Enqueue(search.Filter);
        if (IsAway)
        {
            return ValueTask.FromException<LdapResult>(new LdapException("the test's directory is away"));
        }

        var found = _answers.GetValueOrDefault(search.Filter, []);
        var code = found.Length > search.Most ? LdapResult.SizeLimitExceeded : LdapResult.Success;
        return new ValueTask<LdapResult>(new LdapResult(code, "", [.. found.Take(search.Most)]));
    }
}
