namespace Policyd.Plugins.Counters;

/// <summary>
/// The four sums that a counter keeps. In a configuration: <c>count</c>, <c>count_rcpt</c>, <c>size</c>, <c>size_rcpt</c>.
/// </summary>
public enum CounterMetric
{
    /// <summary>Mails.</summary>
    Count,

    /// <summary>Recipients: a mail to three counts three.</summary>
    CountRcpt,

    /// <summary>Bytes of the mails.</summary>
    Size,

    /// <summary>Bytes times recipients.</summary>
    SizeRcpt,
}
