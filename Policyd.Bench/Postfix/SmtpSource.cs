using System.Net;
using Policyd.Bench.Servers;

namespace Policyd.Bench.Postfix;

/// <summary>
/// Postfix's own load generator. A process of it has one sender and one name, so several share the sessions; each sends mail after
/// mail over its sessions.
/// </summary>
internal static class SmtpSource
{
    /// <summary>Sends all mails.</summary>
    /// <exception cref="InvalidOperationException">One of them ended with an error; the message shows what it printed last.</exception>
    public static Task RunAsync(EndPoint postfix, PostfixOptions options, string directory, CancellationToken cancellation)
    {
        var program = Programs.Require("smtp-source", "postfix");
        var processes = Math.Min(options.Senders, Math.Min(options.Sessions, options.Mails));
        return Task.WhenAll(Enumerable.Range(0, processes).Select(number =>
        {
            var (sessions, mails) = (Share(options.Sessions, processes, number), Share(options.Mails, processes, number));
            string[] command =
            [
                // With -A it goes on after a refusal, which Postfix's log tells; with -d over the same connection.
                program, "-A", "-d", "-s", $"{Math.Min(sessions, mails)}", "-m", $"{mails}", "-r", $"{options.Recipients}", "-l", "1000",
                "-f", $"sender{number}@example.com", "-t", "rcpt@example.org", "-M", $"client{number}.example.com", $"{postfix}",
            ];
            return ServerProcess.RunAsync(command, directory, cancellation);
        }));
    }

    /// <summary>The share of one of several, so that all of them together have just the total.</summary>
    private static int Share(int total, int among, int number) => (total / among) + (number < total % among ? 1 : 0);
}
