using System.Buffers;
using System.Text;

namespace Policyd.Protocol;

/// <summary>Writes a request, for clients and tests. Refuses what the protocol cannot carry.</summary>
public sealed class PolicyRequestBuilder
{
    private readonly ArrayBufferWriter<byte> _bytes = new();

    /// <summary>A builder that begins with <c>request=smtpd_access_policy</c>.</summary>
    public static PolicyRequestBuilder AccessPolicy() => new PolicyRequestBuilder().Add("request", "smtpd_access_policy");

    /// <summary>Adds an attribute.</summary>
    /// <exception cref="ArgumentException">The name is empty or holds <c>=</c>, or either holds a line end or NUL.</exception>
    public PolicyRequestBuilder Add(string name, string value)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(value);
        if (name.AsSpan().IndexOfAny("=\r\n\0") >= 0)
        {
            throw new ArgumentException("a name must not contain '=', a line end or NUL", nameof(name));
        }

        if (value.AsSpan().IndexOfAny('\r', '\n', '\0') >= 0)
        {
            throw new ArgumentException("a value must not contain a line end or NUL", nameof(value));
        }

        Encoding.UTF8.GetBytes(name, _bytes);
        _bytes.Write("="u8);
        Encoding.UTF8.GetBytes(value, _bytes);
        _bytes.Write("\n"u8);
        return this;
    }

    /// <summary>Adds a known attribute.</summary>
    /// <exception cref="ArgumentException">The value holds a line end or NUL.</exception>
    public PolicyRequestBuilder Add(PolicyAttribute attribute, string value) => Add(PolicyAttributes.NameOf(attribute), value);

    /// <summary>The bytes on the wire, with the closing empty line.</summary>
    public byte[] ToBytes() => [.. _bytes.WrittenSpan, (byte)'\n'];

    /// <summary>The request that a server would read.</summary>
    /// <exception cref="InvalidOperationException">It would be refused, for example since it has no attribute.</exception>
    public PolicyRequest ToRequest() =>
        PolicyRequestReader.TryRead(ToBytes(), RequestLimits.Default, out var request, out var error)
            ? request
            : throw new InvalidOperationException(error.Message);
}
