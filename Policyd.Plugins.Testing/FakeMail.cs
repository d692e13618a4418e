using System.Collections.Concurrent;
using Policyd.Plugins.Dns;
using Policyd.Plugins.Smtp;

namespace Policyd.Plugins.Testing;

/// <summary>Mail servers that answer what a test says; any other address they accept.</summary>
public sealed class FakeMail : IMailVerifier, IMailVerifiers
{
    private readonly ConcurrentDictionary<string, SmtpVerdict> _answers = new(StringComparer.OrdinalIgnoreCase);
    private readonly ConcurrentQueue<SmtpQuestion> _asked = new();

    /// <summary>What was asked, in its order.</summary>
    public IReadOnlyList<SmtpQuestion> Asked => [.. _asked];

    /// <summary>Says what is answered of an address.</summary>
    /// <param name="address">The address, as <see cref="SmtpAddress.Parse"/> reads it.</param>
    /// <param name="verdict">The answer.</param>
    public void Answer(string address, SmtpVerdict verdict) =>
        _answers[SmtpAddress.Parse(address)?.Path ?? throw new ArgumentException("not an address", nameof(address))] = verdict;

    /// <inheritdoc/>
    public Task<SmtpVerdict> VerifyAsync(SmtpQuestion question, Action<string> log, TimeSpan time)
    {
        ArgumentNullException.ThrowIfNull(question);
        _asked.Enqueue(question);
        return Task.FromResult(
            _answers.TryGetValue(question.Recipient.Path, out var verdict) ? verdict : new SmtpVerdict(SmtpOutcome.Accepted, "250 ok"));
    }

    /// <inheritdoc/>
    IMailVerifier IMailVerifiers.Create(IDnsResolver dns, SmtpVerifierOptions options) => this;
}
