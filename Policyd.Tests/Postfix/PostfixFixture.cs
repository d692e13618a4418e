using Policyd.Tests.Postfix;
using Policyd.Tests.Support;

[assembly: AssemblyFixture(typeof(PostfixFixture))]

namespace Policyd.Tests.Postfix;

/// <summary>
/// One Postfix and one policyd for all tests of this folder. What a request is answered follows from its recipient, so that every
/// test has its own words and none disturbs another. Started by the first test that asks for it.
/// </summary>
public sealed class PostfixFixture : IAsyncDisposable
{
    private readonly SemaphoreSlim _starting = new(1, 1);
    private readonly TemporaryFolder _folder = new();
    private Running? _running;

    /// <summary>The smtpd whose recipients are checked over TCP.</summary>
    internal int TcpPort { get; } = FreePort.Next();

    /// <summary>The smtpd whose recipients are checked over a UNIX-domain socket.</summary>
    internal int UnixPort { get; } = FreePort.Next();

    /// <summary>The smtpd that asks a second virtual host at END-OF-MESSAGE.</summary>
    internal int EndOfDataPort { get; } = FreePort.Next();

    /// <summary>The smtpd that names a policy context.</summary>
    internal int ContextPort { get; } = FreePort.Next();

    internal async Task<Running> Get()
    {
        await _starting.WaitAsync();
        try
        {
            return _running ??= await Start();
        }
        finally
        {
            _starting.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_running is { } running)
        {
            await running.Postfix.DisposeAsync();
            await running.Policyd.DisposeAsync();
            await running.Sink.DisposeAsync();
        }

        _folder.Dispose();
        _starting.Dispose();
    }

    private async Task<Running> Start()
    {
        Needs.Program("postfix");
        Needs.Root();
        var tcp = FreePort.Next();
        var endOfData = FreePort.Next();
        var dead = FreePort.Next();
        var socket = _folder["policy.sock"];
        var configuration = _folder.Write("policyd.hocon", $$"""
            policyd {
              listen = ["127.0.0.1:{{tcp}}", "unix:{{socket}}", "127.0.0.1:{{endOfData}}"]
              vhost_by_policy_context = on
              log_level = 4
              virtual_hosts = [
                { name = recipients, port = [{{tcp}}, "unix:{{socket}}"], plugins = [
                  { name = no, module = Condition, key = recipient, re_match = "^no@", action = "reject no such policy" }
                  { name = later, module = Condition, key = recipient, re_match = "^later@", action = "defer_if_permit come back" }
                  { name = code, module = Condition, key = recipient, re_match = "^code@", action = "521 5.7.1 and good bye" }
                  { name = long, module = Condition, key = recipient, re_match = "^long@", action = "reject {{new string('x', 440)}}" }
                  { name = utf8, module = Condition, key = recipient, re_match = "^utf8@", action = "reject Größe zählt" }
                  { name = broken, module = Condition, key = recipient, re_match = "^broken@", plugins = [
                    { name = ask, module = Proxy, host = "127.0.0.1:{{dead}}" }
                  ] }
                  { name = fallback, module = Condition, key = recipient, re_match = "^fallback@", plugins = [
                    { name = ask-too, module = Proxy, host = "127.0.0.1:{{dead}}", on_error = "defer_if_permit policy service error" }
                  ] }
                  { name = skip, module = Condition, key = recipient, re_match = "^skip@", plugins = [
                    { name = ask-three, module = Proxy, host = "127.0.0.1:{{dead}}", on_error = continue }
                  ] }
                  { name = count, module = Condition, key = recipient, re_match = "^(one|two)@", score = 1 }
                  { name = tag, module = AddScoreHeader }
                ] }
                { name = end-of-data, port = {{endOfData}}, plugins = [
                  { name = big, module = Condition, key = size, gt_match = 100000, action = "reject too big" }
                  { name = several, module = Condition, key = recipient_count, gt_match = 2, action = "reject too many recipients" }
                  { name = fine, module = Action, action = dunno }
                ] }
                { name = strict, port = "unix:{{_folder["strict.sock"]}}", plugins = [
                  { name = all, module = Action, action = "reject strictly" }
                ] }
              ]
            }
            """);
        var policyd = await PolicydProcess.Serve(configuration, tcp);
        var sink = new SmtpSink();
        const string Restrictions = "smtpd_recipient_restrictions = reject_unauth_destination, check_policy_service";
        try
        {
            var postfix = await PostfixServer.Start(sink.Port, new Dictionary<int, string[]>
            {
                [TcpPort] = [$"{Restrictions} inet:127.0.0.1:{tcp}"],
                [UnixPort] = [$"{Restrictions} unix:{socket}"],
                [EndOfDataPort] = [
                    $"{Restrictions} inet:127.0.0.1:{tcp}",
                    $"smtpd_end_of_data_restrictions = check_policy_service inet:127.0.0.1:{endOfData}"
                ],
                [ContextPort] = [$"smtpd_policy_service_policy_context = strict", $"{Restrictions} inet:127.0.0.1:{tcp}"],
            });
            return new Running(postfix, policyd, sink);
        }
        catch
        {
            await policyd.DisposeAsync();
            await sink.DisposeAsync();
            throw;
        }
    }

    internal sealed record Running(PostfixServer Postfix, ProcessUnderTest Policyd, SmtpSink Sink);
}
