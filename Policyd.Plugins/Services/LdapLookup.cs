using Policyd.Plugins.Api;
using Policyd.Plugins.Ldap;
using Policyd.Plugins.Sources;

namespace Policyd.Plugins.Services;

/// <summary>
/// A search of a plugin in a configured directory, made by <see cref="DirectoryServices.Search"/>. A call ends after the connection's
/// <c>timeout</c>, and never later than at three quarters of the plugin's time, so that the plugin can still answer. While the directory is
/// known to be away calls fail at once; the connection logs that, not its callers.
/// </summary>
public sealed class LdapLookup
{
    private const string Place = "%s";

    private readonly ILdapDirectory _directory;
    private readonly string _filter;
    private readonly string _base;
    private readonly IReadOnlyList<string> _attributes;

    internal LdapLookup(ILdapDirectory directory, string filter, string baseName, IReadOnlyList<string> attributes) =>
        (_directory, _filter, _base, _attributes) = (directory, filter, baseName, attributes);

    /// <summary>Searches.</summary>
    /// <param name="context">The request.</param>
    /// <param name="value">What <c>%s</c> stands for, from anywhere: it is escaped.</param>
    /// <param name="most">How many entries to give at most.</param>
    /// <returns>What the directory answers, be it an error of its own such as <see cref="LdapResult.NoSuchObject"/>.</returns>
    /// <exception cref="LdapException">The directory is away, does not answer in time, or does not speak LDAP. A plugin that does not catch
    /// it has failed, and its <c>on_error</c> decides.</exception>
    public async ValueTask<LdapResult> SearchAsync(PluginContext context, string value, int most = 1)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(value);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(most);
        var since = context.Clock.GetTimestamp();
        using var timeout = SourceTime.For(context, _directory.Timeout);
        try
        {
            var search = new LdapSearch(_base, FilterFor(value), _attributes, most);
            return await _directory.SearchAsync(search, timeout.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e)
        {
            throw new LdapException(Waited.TimedOut(context.Clock, since), e);
        }
    }

    internal string FilterFor(string value) => _filter.Replace(Place, LdapFilter.Escape(value), StringComparison.Ordinal);
}
