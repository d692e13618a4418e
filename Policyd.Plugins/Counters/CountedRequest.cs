using Policyd.Protocol;

namespace Policyd.Plugins.Counters;

/// <summary>
/// A request as counters know it: its mail, and which of the mail's requests it is. Made once a request, however many counters it has.
/// </summary>
public sealed class CountedRequest
{
    private readonly string _instance;

    private CountedRequest(string instance, uint part) => (_instance, Mail, Part) = (instance, MailId.Of(instance), part);

    /// <summary>The mail.</summary>
    public MailId Mail { get; }

    /// <summary>What tells the requests of a mail apart: the <see cref="CounterRequestId.PartOf"/>.</summary>
    public uint Part { get; }

    /// <summary>How counters know a request.</summary>
    /// <param name="request">The request.</param>
    public static CountedRequest Of(PolicyRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        return new CountedRequest(request.Instance, CounterRequestId.PartOf(request));
    }

    /// <summary>The <see cref="CounterRequestId"/> of one count; null where no mail is named.</summary>
    /// <param name="plugin">The name of the plugin that counts.</param>
    /// <param name="key">The counter.</param>
    public UInt128? IdOf(string plugin, CounterKey key) => CounterRequestId.Of(Mail, Part, plugin, key);

    /// <summary>The id that a server before version 2 gave the same count; null where no mail is named.</summary>
    /// <param name="plugin">The name of the plugin that counts.</param>
    /// <param name="key">The counter.</param>
    public UInt128? FormerIdOf(string plugin, CounterKey key) =>
        Mail.IsNone ? null : CounterRequestId.OfVersion1(_instance, Part, plugin, key);
}
