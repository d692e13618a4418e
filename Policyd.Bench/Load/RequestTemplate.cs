using System.Buffers.Text;
using System.Text;

namespace Policyd.Bench.Load;

/// <summary>The numbers that make one generated request differ from the next.</summary>
/// <param name="Key">Which of the distinct clients asks, from 0.</param>
/// <param name="Request">The number of the request in the run, from 0.</param>
/// <param name="Connection">The connection that carries it, from 0.</param>
/// <param name="Mail">The number of the mail on that connection, from 0.</param>
/// <param name="Recipient">The recipient within the mail, from 0.</param>
public readonly record struct RequestNumbers(int Key, long Request, int Connection, long Mail, int Recipient);

/// <summary>
/// A policy request compiled to literals and numbers, so that sending one is a copy into the connection's buffer. Without
/// changes it holds, in their order, the attributes that Postfix 3.7 sends at RCPT for an authenticated client.
/// Placeholders in a value: %k key, %a the key as an address in 10.0.0.0/8, %i request, %r recipient of the mail, %m the
/// mail's instance, %% a percent sign.
/// </summary>
public sealed class RequestTemplate
{
    /// <summary>Keys are drawn as addresses of 10.0.0.0/8, which has no more.</summary>
    public const int MaxKeys = 1 << 24;

    private const int LongestNumber = 20;
    private const int LongestInstance = 4 * 16 + 3;
    private const int FirstProcessId = 0x1000;
    private const long MicrosecondsPerSecond = 1_000_000;

    private static readonly (string Name, string Value)[] AtRecipient =
    [
        ("request", "smtpd_access_policy"), ("protocol_state", "RCPT"), ("protocol_name", "ESMTP"),
        ("client_address", "%a"), ("client_name", "client%k.example.com"), ("client_port", "49152"),
        ("reverse_client_name", "client%k.example.com"), ("server_address", "192.0.2.25"), ("server_port", "587"),
        ("helo_name", "client%k.example.com"), ("sender", "user%k@example.com"), ("recipient", "rcpt%r@example.net"),
        ("recipient_count", "0"), ("queue_id", ""), ("instance", "%m"), ("size", "12345"), ("etrn_domain", ""), ("stress", ""),
        ("sasl_method", "PLAIN"), ("sasl_username", "user%k@example.com"), ("sasl_sender", ""),
        ("ccert_subject", ""), ("ccert_issuer", ""), ("ccert_fingerprint", ""), ("ccert_pubkey_fingerprint", ""),
        ("encryption_protocol", "TLSv1.3"), ("encryption_cipher", "TLS_AES_256_GCM_SHA384"), ("encryption_keysize", "256"),
        ("policy_context", ""),
    ];

    private readonly List<Part> _parts = [];
    private readonly long _epoch;

    private RequestTemplate(long epoch) => _epoch = epoch;

    private enum Slot
    {
        None,
        Key,
        Address,
        Request,
        Recipient,
        Instance,
    }

    /// <summary>The most bytes that one request of this template takes.</summary>
    public int MaxLength => _parts.Sum(part => part.Literal.Length + (part.Slot == Slot.Instance ? LongestInstance : LongestNumber));

    /// <summary>Compiles the request that Postfix sends, with <paramref name="changes"/> put in place or added at the end.</summary>
    /// <param name="changes">Attributes as name and value; a value may hold placeholders.</param>
    /// <param name="epoch">Seconds since 1970 that instances begin with: it keeps those of two runs apart.</param>
    /// <exception cref="FormatException">A name or value that the protocol cannot carry, or an unknown placeholder.</exception>
    public static RequestTemplate Compile(IEnumerable<KeyValuePair<string, string>> changes, long epoch)
    {
        ArgumentNullException.ThrowIfNull(changes);
        var attributes = AtRecipient.ToList();
        foreach (var (name, value) in changes)
        {
            RejectWhatCannotBeSent(name, value);
            var place = attributes.FindIndex(attribute => attribute.Name == name);
            if (place >= 0)
            {
                attributes[place] = (name, value);
            }
            else
            {
                attributes.Add((name, value));
            }
        }

        var template = new RequestTemplate(epoch);
        var literal = new StringBuilder();
        foreach (var (name, value) in attributes)
        {
            literal.Append(name).Append('=');
            template.CompileValue(name, value, literal);
            literal.Append('\n');
        }

        template.End(literal.Append('\n'), Slot.None);
        return template;
    }

    /// <summary>Writes one request with its closing empty line and returns its length.</summary>
    public int Write(Span<byte> destination, in RequestNumbers numbers)
    {
        var length = 0;
        foreach (var part in _parts)
        {
            part.Literal.CopyTo(destination[length..]);
            length += part.Literal.Length;
            length += WriteSlot(part.Slot, destination[length..], numbers);
        }

        return length;
    }

    private static void RejectWhatCannotBeSent(string name, string value)
    {
        if (name.Length == 0 || name.AsSpan().IndexOfAny("=\n\0") >= 0)
        {
            throw new FormatException("An attribute's name is not empty and holds no '=', newline or NUL.");
        }

        if (value.AsSpan().IndexOfAny('\n', '\0') >= 0)
        {
            throw new FormatException($"The value of {name} holds a newline or NUL.");
        }
    }

    private static int Number(Span<byte> destination, long value, char format = 'D')
    {
        Utf8Formatter.TryFormat(value, destination, out var written, new System.Buffers.StandardFormat(format));
        return written;
    }

    private void CompileValue(string name, string value, StringBuilder literal)
    {
        for (var i = 0; i < value.Length; i++)
        {
            if (value[i] != '%')
            {
                literal.Append(value[i]);
                continue;
            }

            var letter = ++i < value.Length ? value[i] : '\0';
            if (letter == '%')
            {
                literal.Append('%');
                continue;
            }

            End(literal, letter switch
            {
                'k' => Slot.Key,
                'a' => Slot.Address,
                'i' => Slot.Request,
                'r' => Slot.Recipient,
                'm' => Slot.Instance,
                _ => throw new FormatException($"The value of {name} has an unknown placeholder: known are %k %a %i %r %m %%."),
            });
        }
    }

    private void End(StringBuilder literal, Slot slot)
    {
        _parts.Add(new Part(Encoding.UTF8.GetBytes(literal.ToString()), slot));
        literal.Clear();
    }

    private int WriteSlot(Slot slot, Span<byte> destination, in RequestNumbers numbers) => slot switch
    {
        Slot.Key => Number(destination, numbers.Key),
        Slot.Address => WriteAddress(destination, numbers.Key),
        Slot.Request => Number(destination, numbers.Request),
        Slot.Recipient => Number(destination, numbers.Recipient),
        Slot.Instance => WriteInstance(destination, numbers),
        _ => 0,
    };

    private static int WriteAddress(Span<byte> destination, int key)
    {
        "10."u8.CopyTo(destination);
        var length = 3;
        length += Number(destination[length..], (key >> 16) & 0xff);
        destination[length++] = (byte)'.';
        length += Number(destination[length..], (key >> 8) & 0xff);
        destination[length++] = (byte)'.';
        return length + Number(destination[length..], key & 0xff);
    }

    // As Postfix makes it: process, second, microsecond and sequence number in hexadecimal. The connection stands for the
    // process, and the mail's number runs through the microseconds, so no two mails of a run share an instance.
    private int WriteInstance(Span<byte> destination, in RequestNumbers numbers)
    {
        var length = Number(destination, FirstProcessId + numbers.Connection, 'x');
        destination[length++] = (byte)'.';
        length += Number(destination[length..], _epoch + (numbers.Mail / MicrosecondsPerSecond), 'x');
        destination[length++] = (byte)'.';
        length += Number(destination[length..], numbers.Mail % MicrosecondsPerSecond, 'x');
        ".0"u8.CopyTo(destination[length..]);
        return length + 2;
    }

    private readonly record struct Part(byte[] Literal, Slot Slot);
}
