using System.Text;
using Policyd.Modules.Texts;
using Policyd.Plugins.Addresses;
using Policyd.Plugins.Dns;

namespace Policyd.Modules.Spf;

/// <summary>
/// check_host() of RFC 7208, section 4, with all of its limits and some more: a record is a stranger's, and may cost what he likes.
/// </summary>
internal sealed class SpfEvaluator(IDnsResolver dns, SpfSettings settings, TimeProvider clock)
{
    private readonly SpfMacroString _defaultExplanation = SpfMacroString.Parse(settings.DefaultExplanation, isExplanation: true);

    /// <summary>
    /// Checks an identity. Never throws for what is in the DNS. When the token is cancelled the check ends with temperror, as section 4.6.4
    /// has it for a check that takes too long.
    /// </summary>
    public async ValueTask<SpfOutcome> CheckAsync(SpfRequest request, CancellationToken ct)
    {
        request = request with { Client = request.Client.Plain() };
        var check = new SpfCheck(new SpfLookups(dns, settings, request, ct), settings, request, _defaultExplanation, clock, ct);
        SpfOutcome outcome;
        try
        {
            outcome = await check.CheckHostAsync(request.Domain, isTop: true).ConfigureAwait(false);
        }
        catch (SpfErrorException e)
        {
            outcome = new SpfOutcome(e.Verdict, e.Message);
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            outcome = new SpfOutcome(SpfVerdict.TempError, $"the check of {request.Domain} takes too long");
        }

        return outcome with
        {
            Reason = SpfText.Printable(outcome.Reason, Encoding.Latin1),
            Explanation = SpfText.Shorten(TextOfBytes.ForPeople(outcome.Explanation)),
        };
    }
}

/// <summary>Ends a check, however deep in includes it is.</summary>
internal sealed class SpfErrorException(SpfVerdict verdict, string message) : Exception(message)
{
    public SpfVerdict Verdict { get; } = verdict;
}
