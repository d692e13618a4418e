using Microsoft.Extensions.Logging;

namespace Policyd.Actors.Clustering;

/// <summary>What a node says of its membership.</summary>
internal static partial class ClusterLog
{
    [LoggerMessage(EventId = 80, Level = LogLevel.Information, Message = "cluster: asks {Addresses} to take this node in")]
    public static partial void Joins(ILogger logger, string addresses);

    [LoggerMessage(
        EventId = 81,
        Level = LogLevel.Warning,
        Message = "cluster: nobody has taken this node in; it looks for members again, and counters are unavailable until it is one")]
    public static partial void NobodyAnswers(ILogger logger);

    [LoggerMessage(
        EventId = 281,
        Level = LogLevel.Error,
        Message = "cluster: another node that lives has the address {Address}, which this node advertises; it joins when that node is "
            + "gone, or after a restart with an address of its own (cluster: listen, advertise)")]
    public static partial void AddressIsTaken(ILogger logger, string address);

    [LoggerMessage(
        EventId = 82,
        Level = LogLevel.Warning,
        Message = "cluster: the members cannot be read from the database ({Reason}); counters are unavailable until this node is a member")]
    public static partial void CannotLook(ILogger logger, string reason);

    [LoggerMessage(EventId = 83, Level = LogLevel.Information, Message = "cluster: this node is a member, as {Member}")]
    public static partial void IsMember(ILogger logger, string member);

    [LoggerMessage(
        EventId = 84,
        Level = LogLevel.Warning,
        Message = "cluster: no quorum, {Reached} of {Members} members are reached; checks of counters are unavailable, counts are kept")]
    public static partial void QuorumIsLost(ILogger logger, int reached, int members);

    [LoggerMessage(
        EventId = 85, Level = LogLevel.Information, Message = "cluster: quorum again, {Reached} of {Members} members are reached")]
    public static partial void QuorumIsBack(ILogger logger, int reached, int members);

    [LoggerMessage(
        EventId = 86, Level = LogLevel.Warning, Message = "cluster: {Member} is lost; it is fenced before its counters are used")]
    public static partial void IsLost(ILogger logger, string member);

    [LoggerMessage(
        EventId = 90,
        Level = LogLevel.Warning,
        Message = "cluster: the lives of this node before this one were short; it looks for the others in {Seconds:0.#} s")]
    public static partial void Pauses(ILogger logger, double seconds);

    [LoggerMessage(
        EventId = 98,
        Level = LogLevel.Warning,
        Message = "cluster: this node stood still for {Seconds:0.0} s; checks of counters are unavailable until the database tells that it "
            + "is still a member")]
    public static partial void StoodStill(ILogger logger, double seconds);

    [LoggerMessage(EventId = 177, Level = LogLevel.Warning, Message = "cluster: {Member} is not reached")]
    public static partial void IsNotReached(ILogger logger, string member);

    [LoggerMessage(EventId = 178, Level = LogLevel.Information, Message = "cluster: {Member} is reached again")]
    public static partial void IsReachedAgain(ILogger logger, string member);
}
