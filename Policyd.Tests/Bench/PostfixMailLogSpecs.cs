using Policyd.Bench.Postfix;
using Xunit;

namespace Policyd.Tests.Bench;

/// <summary>What Postfix refuses and what it warns of, from the lines of its log.</summary>
public class PostfixMailLogSpecs
{
    private const string Accepted = "Nov 28 17:00:00 mx postfix/smtpd[7]: 4A1: client=unknown[127.0.0.1]";
    private const string Refused = "Nov 28 17:00:01 mx postfix/smtpd[7]: NOQUEUE: reject: RCPT from unknown[127.0.0.1]: 450 <b>: full";
    private const string AtTheEnd = "Nov 28 17:00:02 mx postfix/smtpd[7]: 4A2: reject: END-OF-MESSAGE from unknown[127.0.0.1]: 450 full";
    private const string Warning = "Nov 28 17:00:03 mx postfix/smtpd[7]: warning: problem talking to server 127.0.0.1:1: No route";

    [Fact]
    public void Log_of_mails_that_are_taken_has_no_trouble() => Assert.Equal((0, 0, null), PostfixMailLog.Judge([Accepted, Accepted]));

    [Fact]
    public void Refusals_and_warnings_are_counted_and_the_first_is_kept() =>
        Assert.Equal((2, 1, Refused), PostfixMailLog.Judge([Accepted, Refused, AtTheEnd, Accepted, Warning]));
}
