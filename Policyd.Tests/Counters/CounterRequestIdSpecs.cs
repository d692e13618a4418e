using System.Globalization;
using Policyd.Plugins.Counters;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Counters;

/// <summary>
/// Ids outlive the server in the database and are compared with those of other nodes, so that they must never change. The ids here were
/// computed by OpenSSL.
/// </summary>
public sealed class CounterRequestIdSpecs
{
    private const string Instance = "29a.6569f3a2.b8.0";

    private static readonly CounterKey Sender = new("db", "quota_sender", "müller@example.org");

    [Fact]
    public void Mail_is_the_hash_of_its_instance() =>
        Assert.Equal(Number("55b79ba847fc9b64ef0fd403e14d65e4"), MailId.Of(Instance).Value);

    [Fact]
    public void Empty_instance_is_no_mail()
    {
        Assert.Equal(MailId.None, MailId.Of(string.Empty));
        Assert.True(MailId.None.IsNone);
        Assert.False(MailId.Of(Instance).IsNone);
        Assert.Null(CounterRequestId.Of(MailId.None, 1, "acct", Sender));
        var request = CountedRequest.Of(Request(string.Empty, "RCPT", "bob@example.org"));
        Assert.Equal((null, null), (request.IdOf("acct", Sender), request.FormerIdOf("acct", Sender)));
    }

    [Fact]
    public void Id_of_version_2_is_the_hash_of_plugin_table_and_key_under_the_mail() => Assert.Equal(
        Number("f5b8ec9a60d09fe9616a94f331f651a9"),
        CountedRequest.Of(Request(Instance, "RCPT", "bob@example.org")).IdOf("acct", Sender));

    [Fact]
    public void Id_of_version_1_is_as_former_servers_made_it() => Assert.Equal(
        Number("c276fd6adc7bc124f8c9743631f651a9"),
        CountedRequest.Of(Request(Instance, "RCPT", "bob@example.org")).FormerIdOf("acct", Sender));

    [Fact]
    public void Ids_are_one_count_when_plugin_mail_table_and_key_are_the_same()
    {
        var id = Id(Instance, 1, "acct", "quota_sender", "a");
        Assert.Equal(id, Id(Instance, 1, "acct", "quota_sender", "a"));
        Assert.True(CounterRequestId.SameCount.Equals(id, Id(Instance, 2, "acct", "quota_sender", "a")));
        Assert.NotEqual(id, Id(Instance, 2, "acct", "quota_sender", "a"));
        UInt128[] others =
        [
            Id(Instance + "0", 1, "acct", "quota_sender", "a"),
            Id(Instance, 1, "acct2", "quota_sender", "a"),
            Id(Instance, 1, "acct", "quota_recipient", "a"),
            Id(Instance, 1, "acct", "quota_sender", "b"),
            Id(Instance, 1, "acctquota_sender", string.Empty, "a"),
            Id(Instance, 1, "acct", "quota_sendera", string.Empty),
        ];
        Assert.All(others, other => Assert.False(CounterRequestId.SameCount.Equals(id, other)));
    }

    [Fact]
    public void Long_keys_are_hashed_to_their_end()
    {
        var key = new string('k', 5000);
        Assert.NotEqual(Id(Instance, 1, "acct", "t", key + "a"), Id(Instance, 1, "acct", "t", key + "b"));
    }

    [Fact]
    public void Ids_leave_no_garbage()
    {
        var key = Sender with { Key = new string('k', 1000) };
        var mail = MailId.Of(Instance);
        var sum = CounterRequestId.Of(mail, 1, "acct", key);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var round = 0; round < 100; round++)
        {
            sum ^= CounterRequestId.Of(MailId.Of(Instance), 1, "acct", key);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(CounterRequestId.Of(mail, 1, "acct", key), sum);
    }

    private static UInt128 Id(string instance, uint request, string plugin, string table, string key) =>
        CounterRequestId.Of(MailId.Of(instance), request, plugin, new CounterKey("db", table, key))!.Value;

    private static UInt128 Number(string hex) => UInt128.Parse(hex, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    private static PolicyRequest Request(string instance, string state, string recipient) => PolicyRequestBuilder.AccessPolicy()
        .Add("instance", instance).Add("protocol_state", state).Add("recipient", recipient).ToRequest();
}
