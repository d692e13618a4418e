using Policyd.Fuzz.Harness;

namespace Policyd.Fuzz.Targets;

/// <summary>Every target. A new one is a class and a line here.</summary>
internal static class AllTargets
{
    public static IReadOnlyList<FuzzTarget> Create() =>
    [
        new RequestTarget(),
        new ReplyTarget(),
        new ActionTarget(),
        new HoconTarget(),
        new MtpolicydConfTarget(),
        new DnsTarget(),
        new DnsNameTarget(),
        new SpfTarget(),
        new SmtpReplyTarget(),
        new SmtpAddressTarget(),
        new MemcachedTarget(),
        new LdapTarget(),
        new LdapFilterTarget(),
        new PickleTarget(),
        new BerkeleyDbTarget(),
        new LmdbTarget(),
        new TextHashTarget(),
        new LegacyGeoIpTarget(),
        new MmdbTarget(),
        new SessionTarget(),
        new SpoolTarget(),
        new AdminTarget(),
        new DsnTarget("dsn", DsnSamples.Net),
        new DsnTarget("dsn-mysql", DsnSamples.MySql),
        new DsnTarget("dsn-pg", DsnSamples.Postgres),
        new DsnTarget("dsn-sqlite", DsnSamples.Sqlite),
        new OptionFileTarget(),
        new StrftimeTarget(),
        new KeyTemplateTarget(),
    ];
}
